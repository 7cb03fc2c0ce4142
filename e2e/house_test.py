#!/usr/bin/env python3
"""Holds the house in order: who may include whom, where effects and third-party headers may be,
how long files may be, that every place tells the same version. Needs the source tree alone."""
import os
import re
import tempfile
import unittest

TREE = os.path.abspath(os.path.join(os.path.dirname(__file__), ".."))
FOLDERS = {"schemas", "reconcilers", "controller", "manifests", "e2e"}
TOP_LEVEL = FOLDERS | {"CMakeLists.txt", "CMakePresets.json", "README.md", "CHANGELOG.md",
                       "LICENSE", "build"}

MAY_INCLUDE = {
    "schemas": {"schemas"},
    "reconcilers": {"schemas", "reconcilers"},
    "controller": {"schemas", "reconcilers", "controller"},
    "e2e": {"schemas", "reconcilers", "controller", "e2e"},
}

# Each library and the files that may know of it; everybody else goes through their headers.
THIRD_PARTY = {
    "yaml-cpp": ["schemas/yaml.cc"],
    "openssl": ["schemas/digest.cc", "controller/notify/hmac.cc", "controller/git/connection.cc", "controller/http/get.cc",
                "controller/host/files/tree_parts.cc"],
    "git2": ["controller/git/check_out.cc", "controller/git/clone.cc", "controller/git/connection.cc",
             "controller/git/consolidate.cc", "controller/git/handles.cc",
             "controller/git/repository.cc", "controller/git/transfer.cc",
             "controller/git/tree_difference.cc", "controller/git/tree_writer.cc",
             "controller/git/writer.cc"],
    "cpprest": ["controller/http/body_buffer.h", "controller/http/get.cc"],
    "pplx": ["controller/http/get.cc"],
    "mysql": ["controller/host/databases/mariadb_connection.cc"],
    "sqlite3": ["controller/host/databases/sqlite_backup.cc", "controller/store/sqlite.cc"],
    "date": ["controller/calendar/zone.cc", "controller/calendar/zone.h"],
    "boost": ["controller/host/host_driver.cc", "controller/service/daemon.cc"],
    "spdlog": ["controller/service/log.cc"],
    "CLI": ["controller/commands/options.cc"],
    "nlohmann": ["controller/commands/status.cc", "controller/commands/validate.cc",
                 "controller/host/records_json.cc", "controller/notify/message.cc",
                 "controller/service/auditor.cc", "controller/service/json.cc", "controller/service/json_explain.cc",
                 "controller/store/audit.cc",
                 "controller/service/log.cc", "controller/service/saved_plan.cc",
                 "controller/commands/policies.cc"],
}

# The system's own headers, which only code with effects needs.
SYSTEM = re.compile(r"(sys|linux|netinet|arpa|net)/\w+\.h"
                    r"|(unistd|fcntl|poll|pwd|grp|signal|errno|dirent|sched|spawn|stdlib|string"
                    r"|time|utime|termios|netdb|ftw|limits|stdio)\.h")

PURE = {"schemas", "reconcilers"}
EFFECT_HEADERS = {"thread", "mutex", "shared_mutex", "condition_variable", "future", "semaphore",
                  "latch", "barrier", "stop_token", "atomic", "fstream", "iostream", "filesystem",
                  "random", "csignal", "ctime"}
EFFECT_WORDS = re.compile(
    r"\b(?:(?:system|steady|high_resolution)_clock::now|random_device|(?:std::)?getenv|sleep_for"
    r"|sleep_until|usleep|nanosleep|fopen|popen|std::system|std::rand|srand|std::time|gettimeofday"
    r"|clock_gettime|socket\s*\(\s*AF_)")

LINES_MAX = 500
COLUMNS_MAX = 100
# Spelt apart so that this file does not hold them.
LEFTOVERS = re.compile(r"\b(?:TO" + r"DO|FIX" + r"ME|XX" + r"X)\b")


class House:
    """A source tree, read once. Each check gives the list of what is wrong, one line each."""

    def __init__(self, tree):
        self.tree = tree
        self.texts = {}
        for folder in sorted(FOLDERS):
            for place, folders, files in os.walk(os.path.join(tree, folder)):
                folders[:] = [name for name in folders if name != "__pycache__"]
                for name in files:
                    self._read(os.path.relpath(os.path.join(place, name), tree))
        for name in ("CMakeLists.txt", "README.md", "CHANGELOG.md"):
            if os.path.exists(os.path.join(tree, name)):
                self._read(name)
        self.sources = {path: text for path, text in self.texts.items()
                        if path.endswith((".cc", ".h"))}
        self.includes = {path: re.findall(r'^\s*#\s*include\s*([<"])([^>"]+)[>"]', text, re.M)
                         for path, text in self.sources.items()}
        self.test_code = self._test_code()

    def _read(self, path):
        with open(os.path.join(self.tree, path), encoding="utf-8", errors="replace") as file:
            self.texts[path] = file.read()

    def _test_code(self):
        """Tests, all of e2e, and headers that nothing but those include."""
        tests = {path for path in self.sources
                 if path.endswith("_test.cc") or path.startswith("e2e/")}
        users = {path: set() for path in self.sources}
        for path, includes in self.includes.items():
            for name in (name for _, name in includes if name in users):
                users[name].add(path)
        while True:
            more = {path for path in self.sources if path.endswith(".h") and users[path]
                    and users[path] <= tests} - tests
            if not more:
                return tests
            tests |= more

    def directions(self):
        problems = []
        for path, includes in self.includes.items():
            folder = path.split("/")[0]
            for quote, name in includes:
                target = name.split("/")[0]
                if target in FOLDERS and target not in MAY_INCLUDE[folder]:
                    problems.append(f"{path}: {folder} includes {name}; {folder} may include "
                                    + ", ".join(sorted(MAY_INCLUDE[folder])))
                elif quote == '"' and target not in FOLDERS:
                    problems.append(f'{path}: "{name}" does not begin with a folder of the house')
                elif name in self.test_code and path not in self.test_code:
                    problems.append(f"{path}: {name} belongs to tests")
        return problems

    def third_party(self):
        problems = []
        for path, includes in self.includes.items():
            if path in self.test_code:
                continue
            for quote, name in includes:
                if quote == '"' or not re.search(r"[./]", name) or SYSTEM.fullmatch(name):
                    continue
                library = re.split(r"[./]", name)[0]
                if path not in THIRD_PARTY.get(library, []):
                    problems.append(f"{path}: <{name}>: {library} is for "
                                    + (", ".join(THIRD_PARTY.get(library, [])) or "nobody"))
        return problems

    def effects(self):
        problems = []
        for path, text in self.sources.items():
            if path.split("/")[0] not in PURE or path in self.test_code:
                continue
            for quote, name in self.includes[path]:
                if quote == "<" and (name in EFFECT_HEADERS or SYSTEM.fullmatch(name)):
                    problems.append(f"{path}: <{name}> is for code with effects")
            for number, line in enumerate(without_comments(text).split("\n"), 1):
                for word in EFFECT_WORDS.findall(line):
                    problems.append(f"{path}:{number}: {word} is for code with effects")
        return problems

    def lengths(self):
        return [f"{path}: {text.count(chr(10))} lines; at most {LINES_MAX}"
                for path, text in self.texts.items()
                if path.endswith((".cc", ".h", ".py", ".php")) and text.count("\n") > LINES_MAX]

    def columns(self):
        """Of C++; a test may hold a wider text, as it comes, in quotes."""
        return [f"{path}:{number}: {len(line)} columns; at most {COLUMNS_MAX}"
                for path, text in self.texts.items()
                if path.endswith((".cc", ".h")) and not path.endswith("_test.cc")
                for number, line in enumerate(text.split("\n"), 1) if len(line) > COLUMNS_MAX]

    def leftovers(self):
        return [f"{path}:{number}: {found.group(0)}" for path, text in self.texts.items()
                for number, line in enumerate(text.split("\n"), 1)
                for found in [LEFTOVERS.search(line)] if found]

    def versions(self):
        places = {
            "controller/commands/version.h": r'version = "([^"]+)"',
            "CMakeLists.txt": r"project\(tidegate VERSION (\S+)",
            "CHANGELOG.md": r"^## (\d[\d.]*)",
        }
        found = {}
        for path, pattern in places.items():
            match = re.search(pattern, self.texts.get(path, ""), re.M)
            found[path] = match.group(1) if match else "no version"
        if len(set(found.values())) == 1 and "no version" not in found.values():
            return []
        return [", ".join(f"{path} says {version}" for path, version in found.items())]

    def top_level(self):
        there = set(os.listdir(self.tree))
        missing = TOP_LEVEL - {"build"} - there
        return [f"{name} does not belong at the top" for name in sorted(there - TOP_LEVEL)
                if not name.startswith(".")] + [f"{name} is missing" for name in sorted(missing)]


def without_comments(text):
    """The same lines, without comments and without what stands in quotes."""
    pattern = r'//[^\n]*|/\*.*?\*/|"(?:\\.|[^"\\\n])*"'
    return re.sub(pattern, lambda found: "\n" * found.group(0).count("\n"), text, flags=re.S)


class HouseTest(unittest.TestCase):
    house = None

    @classmethod
    def setUpClass(cls):
        cls.house = House(TREE)

    def in_order(self, problems):
        self.assertEqual([], problems, "\n" + "\n".join(problems))

    def test_the_tree_is_there(self):
        self.assertGreater(len(self.house.sources), 100)

    def test_includes_go_from_effects_to_decisions_to_words(self):
        self.in_order(self.house.directions())

    def test_third_party_headers_stay_in_the_files_that_need_them(self):
        self.in_order(self.house.third_party())

    def test_words_and_decisions_have_no_effects(self):
        self.in_order(self.house.effects())

    def test_no_file_is_too_long_to_read(self):
        self.in_order(self.house.lengths())

    def test_no_line_is_too_wide_to_read(self):
        self.in_order(self.house.columns())

    def test_nothing_is_left_for_later(self):
        self.in_order(self.house.leftovers())

    def test_every_place_tells_the_same_version(self):
        self.in_order(self.house.versions())

    def test_the_top_level_holds_what_belongs_there(self):
        self.in_order(self.house.top_level())


class PlantedTest(unittest.TestCase):
    """Each check finds what it is there for: a small tree in order, and one thing wrong in it."""

    GOOD = {
        "CMakeLists.txt": "project(tidegate VERSION 1.2.3 LANGUAGES CXX)\n",
        "CMakePresets.json": "{}\n", "README.md": "", "LICENSE": "", ".gitignore": "build/\n",
        "CHANGELOG.md": "# Changes\n\n## 1.2.3, unreleased\n",
        "controller/commands/version.h": 'inline constexpr const char* version = "1.2.3";\n',
        "schemas/word.h": '#include <string>\n// std::getenv is not for us.\n',
        "schemas/word_test.cc": '#include <fstream>\n#include <gtest/gtest.h>\n'
                                '#include "schemas/word.h"\n#include "schemas/test_words.h"\n',
        "schemas/test_words.h": "#include <nlohmann/json.hpp>\n",
        "reconcilers/plan.cc": '#include "schemas/word.h"\n'
                               'const char* text = "system_clock::now";\n',
        "controller/store/sqlite.cc": '#include <sqlite3.h>\n#include <sys/stat.h>\n'
                                      '#include "reconcilers/plan.h"\n',
        "manifests/README.md": "", "e2e/world.cc": '#include "controller/store/sqlite.h"\n',
    }

    def wrong(self, check, path, text):
        """What the check says of the good tree with this file in it."""
        with tempfile.TemporaryDirectory() as tree:
            for name, content in {**self.GOOD, path: text}.items():
                os.makedirs(os.path.dirname(os.path.join(tree, name)), exist_ok=True)
                with open(os.path.join(tree, name), "w", encoding="utf-8") as file:
                    file.write(content)
            return getattr(House(tree), check)()

    def test_a_tree_in_order_passes(self):
        for check in ("directions", "third_party", "effects", "lengths", "leftovers", "versions",
                      "top_level"):
            self.assertEqual([], self.wrong(check, "README.md", ""), check)

    def test_finds_includes_in_the_wrong_direction(self):
        self.assertEqual(
            ["schemas/a.cc: schemas includes reconcilers/plan.h; schemas may include schemas"],
            self.wrong("directions", "schemas/a.cc", '#include "reconcilers/plan.h"\n'))
        self.assertEqual(
            ["reconcilers/a.cc: reconcilers includes controller/b.h; reconcilers may include "
             "reconcilers, schemas"],
            self.wrong("directions", "reconcilers/a.cc", '#include "controller/b.h"\n'))
        self.assertEqual(
            ["controller/a.cc: controller includes e2e/world.h; controller may include controller, "
             "reconcilers, schemas"],
            self.wrong("directions", "controller/a.cc", '#  include "e2e/world.h"\n'))
        self.assertEqual(['schemas/a.cc: "word.h" does not begin with a folder of the house'],
                         self.wrong("directions", "schemas/a.cc", '#include "word.h"\n'))

    def test_finds_a_test_header_in_the_program(self):
        self.assertEqual(["controller/a.cc: schemas/word_test.cc belongs to tests"],
                         self.wrong("directions", "controller/a.cc",
                                    '#include "schemas/word_test.cc"\n'))

    def test_finds_third_party_headers_where_they_do_not_belong(self):
        self.assertEqual(["reconcilers/a.cc: <sqlite3.h>: sqlite3 is for "
                          "controller/host/databases/sqlite_backup.cc, controller/store/sqlite.cc"],
                         self.wrong("third_party", "reconcilers/a.cc", "#include <sqlite3.h>\n"))
        self.assertEqual(["controller/a.h: <re2/re2.h>: re2 is for nobody"],
                         self.wrong("third_party", "controller/a.h", "#include <re2/re2.h>\n"))

    def test_finds_effects(self):
        self.assertEqual(["schemas/a.cc: <fstream> is for code with effects"],
                         self.wrong("effects", "schemas/a.cc", "#include <fstream>\n"))
        self.assertEqual(["reconcilers/a.cc: <unistd.h> is for code with effects"],
                         self.wrong("effects", "reconcilers/a.cc", "#include <unistd.h>\n"))
        for word in ("std::getenv", "random_device", "std::time", "steady_clock::now", "sleep_for",
                     "fopen"):
            self.assertEqual([f"reconcilers/a.cc:2: {word} is for code with effects"],
                             self.wrong("effects", "reconcilers/a.cc", f"\nauto x = {word}(y);\n"))

    def test_finds_a_long_file(self):
        self.assertEqual(["controller/a.cc: 501 lines; at most 500"],
                         self.wrong("lengths", "controller/a.cc", "\n" * 501))
        self.assertEqual([], self.wrong("lengths", "controller/a.cc", "\n" * 500))

    def test_finds_a_wide_line(self):
        self.assertEqual(["controller/a.cc:2: 101 columns; at most 100"],
                         self.wrong("columns", "controller/a.cc", "\n" + "x" * 101 + "\n"))
        self.assertEqual([], self.wrong("columns", "controller/a.cc", "x" * 100))

    def test_finds_what_was_left_for_later(self):
        self.assertEqual(["e2e/tool:2: FIX" + "ME"],
                         self.wrong("leftovers", "e2e/tool", "\n# FIX" + "ME: later\n"))

    def test_finds_versions_that_differ(self):
        self.assertEqual(["controller/commands/version.h says 1.2.3, CMakeLists.txt says 1.2.3, "
                          "CHANGELOG.md says 1.3.0"],
                         self.wrong("versions", "CHANGELOG.md", "## 1.3.0\n"))
        self.assertEqual(["controller/commands/version.h says no version, CMakeLists.txt says "
                          "1.2.3, CHANGELOG.md says 1.2.3"],
                         self.wrong("versions", "controller/commands/version.h", ""))

    def test_finds_what_does_not_belong_at_the_top(self):
        self.assertEqual(["notes.txt does not belong at the top"],
                         self.wrong("top_level", "notes.txt", ""))


if __name__ == "__main__":
    unittest.main()
