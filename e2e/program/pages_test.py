"""The pages of manifests/ and the README are true: what they show is what the program says, and no kind and no field is without a word.

TIDEGATE_ACCEPT=1 writes what the program says into the pages."""
import glob
import json
import os
import re
import shutil
import unittest

from pages import PLACES, TREE, Place, case_place, document, hand_place, policy_place, read, revert_place

ACCEPT = os.environ.get("TIDEGATE_ACCEPT") == "1"
# What needs nothing but the tree.
OFFLINE = re.compile(r"tidegate (validate|policy test) .*manifests/")
BLOCK = re.compile(r"```console\n(.*?)```", re.S)
SHOWN = re.compile(r"^\$ (.*)\n((?:(?!\$ ).*\n)*)", re.M)


def page_names():
    return sorted(os.path.basename(page) for page in glob.glob(os.path.join(TREE, "manifests/*.md")))


def alike(text):
    """What differs from run to run taken out: ids, times, and the widths that depend on them."""
    for pattern, instead in ((r'"0 9 \* \* [\d-]+"', "CRON"), (r"\b(discard|commit)\d{10,}-\d+", "ID"), (r"\d{4}-\d\d-\d\dT[\d:.]+Z", "TIME"),
                             (r"\b[0-9a-f]{7,64}\b", "ID"), (r"\bpid \d+", "pid N"), (r'"pid": \d+', '"pid": N'), (r"tidegate@[\w.-]+", "tidegate@HOST"),
                             (r'"host": "[^"]*"', '"host": "HOST"'), (r"\b\d+(\.\d+)? ?(ms|s|m)\b( ago)?", "LENGTH"), (r" {2,}", "  ")):
        text = re.sub(pattern, instead, text)
    return text


class Shown(unittest.TestCase):
    def hold(self, name, blocks, directory=None, place=None):
        """Each command of these blocks prints what the page shows."""
        text = read(name)
        for block in blocks:
            new = ""
            for command, output in SHOWN.findall(block):
                said = place.run(command, directory)
                new += f"$ {command}\n{said}"
                if not ACCEPT:
                    exactly = directory is not None
                    self.assertEqual(said if exactly else alike(said), output if exactly else alike(output), f"{name}: {command}")
            text = text.replace(block, new)
        if ACCEPT:
            with open(os.path.join(TREE, name), "w", encoding="utf-8") as out:
                out.write(text)

    def test_what_needs_nothing_but_the_tree(self):
        place = Place(self)
        shown = 0
        for name in page_names():
            blocks = [b for b in BLOCK.findall(read("manifests", name)) if all(OFFLINE.match(c) for c, _ in SHOWN.findall(b))]
            self.hold("manifests/" + name, blocks, TREE, place)
            shown += sum(len(SHOWN.findall(b)) for b in blocks)
        self.assertGreater(shown, 20)

    def in_its_place(self, name):
        blocks = [b for b in BLOCK.findall(read("manifests", name)) if not all(OFFLINE.match(c) for c, _ in SHOWN.findall(b))]
        self.assertTrue(blocks, name)
        if isinstance(PLACES[name], list):
            for block, place in zip(blocks, PLACES[name], strict=True):
                self.hold("manifests/" + name, [block], None, place(self))
        else:
            self.hold("manifests/" + name, blocks, None, PLACES[name](self))

    def test_a_policy(self):
        self.in_its_place("policy.md")

    def test_a_freeze(self):
        self.in_its_place("freeze.md")

    def test_a_grant(self):
        self.in_its_place("grant.md")

    def test_an_example_of_a_policy(self):
        self.in_its_place("policy-test.md")

    def test_an_environment_changed_by_hand_and_one_that_went_back(self):
        self.in_its_place("environment.md")

    def test_who_is_told_and_the_audit(self):
        self.in_its_place("configuration.md")

    def test_the_readme(self):
        """Its transcript and its tour are one story; what runs side by side may end in another order."""
        place = Place(self)
        shutil.rmtree(place.path("sites"), True)
        text = read("README.md")
        start, end = text.index("## A transcript to paste"), text.index("## Limits")
        told = text[start:end]

        def once(found):
            if found.group(3) is not None:
                said = "".join(f"$ {command}\n{place.run(command.split('  #')[0])}" for command, _ in SHOWN.findall(found.group(3)))
                new, old = f"```console\n{said}```", found.group(3)
            else:
                said, old = place.run(found.group(1)), found.group(2)
                new = f"```sh\n{found.group(1)}```\n\n```text\n{said}```"
            if not ACCEPT:
                self.assertEqual(sorted(alike(said).splitlines()), sorted(alike(old).splitlines()), said)
            return new
        told = re.sub(r"```sh\n(.*?)```\n\n```text\n(.*?)```|```console\n(.*?)```", once, told, flags=re.S)
        if ACCEPT:
            with open(os.path.join(TREE, "README.md"), "w", encoding="utf-8") as out:
                out.write(text[:start] + told + text[end:])

    def test_json_has_the_fields_that_its_page_shows(self):
        """Of each block: the first of these commands, each in its place."""
        blocks = [json.loads(block) for block in re.findall(r"```json\n(.*?)```", read("manifests/json.md"), re.S)]
        plan, explain, saved, status, history, policy_test, verified, edited, committed, validated, lacks = blocks
        rules, hand, cases, went_back = policy_place(self), hand_place(self), case_place(self), revert_place(self)
        hand.run("tidegate apply --manifests fleet --state state.db")
        rules.run("tidegate apply --manifests fleet --state state.db")
        rules.put("broken.yaml", "kind: Nothing\n")
        for place, command, shown in (
                (rules, "plan --manifests fleet", plan), (rules, "apply --manifests fleet --state state.db", plan),
                (rules, "explain acme/live --manifests fleet --state state.db", {**plan, **explain}),
                (went_back, "explain acme/live --config tidegate.yaml", {**plan, **explain}),
                (rules, "plan --manifests fleet --out saved >/dev/null; cat saved; :", {**plan, **saved}),
                (rules, "status --state state.db", status), (hand, "status --state state.db", status),
                (hand, "history acme --state state.db", history), (cases, "policy test fleet", policy_test),
                (hand, "audit verify --state state.db", verified), (hand, "sync acme/test --manifests fleet --dry-run", edited),
                (hand, "commit acme/dev -m Banner --manifests fleet --state state.db", committed),
                (rules, "validate broken.yaml", validated), (rules, "doctor --manifests fleet", lacks)):
            said = place.run(f"(tidegate {command} -o json) 2>/dev/null")
            self.alike_in_shape(command, json.loads(said), shown)

    def alike_in_shape(self, where, said, shown):
        if isinstance(said, dict) and isinstance(shown, dict):
            optional = {"commit", "from", "generation", "parts", "release", "refresh"} if "verb" in said else set()
            self.assertEqual(set(said) - optional, set(shown) - optional, where)
            for name in set(said) & set(shown):
                self.alike_in_shape(f"{where}: {name}", said[name], shown[name])
        elif isinstance(said, list) and said and isinstance(shown, list) and shown:
            for one in said:
                self.alike_in_shape(where, one, shown[0])
        elif said is not None and shown is not None and not (isinstance(said, dict) or isinstance(shown, dict)):
            self.assertIs(type(said), type(shown), where)

    def test_every_link_leads_somewhere(self):
        for name in [*("manifests/" + page for page in page_names()), "README.md"]:
            for link in re.findall(r"\]\(([^)\s]+)\)", read(name)):
                if "://" in link:
                    continue
                file, _, heading = link.partition("#")
                path = os.path.normpath(os.path.join(os.path.dirname(name), file)) if file else name
                self.assertTrue(os.path.exists(os.path.join(TREE, path)), f"{name}: {link}")
                if heading:
                    headings = [re.sub(r"[^\w -]", "", line.lstrip("# ")).lower().replace(" ", "-") for line in read(path).splitlines() if line.startswith("#")]
                    self.assertIn(heading, headings, f"{name}: {link}")

    def test_the_configurations_example_is_one(self):
        place = Place(self)
        place.put("tidegate.yaml", document("configuration.md").replace("kind: Configuration\n", "kind: Configuration\nstate: state.db\n"))
        self.assertIn("there is no store at", place.run("tidegate status --config tidegate.yaml"))

    def test_no_other_page_needs_a_place(self):
        for name in page_names():
            if name not in PLACES:
                for command, _ in SHOWN.findall("".join(BLOCK.findall(read("manifests", name)))):
                    self.assertRegex(command, OFFLINE, name)


def table_rows(page):
    """Of each field that the page has a row for: the rest of the row."""
    out = {}
    for line in read("manifests", page).splitlines():
        if line.startswith("| `"):
            name, rest = line[2:].split("|", 1)
            out[name.strip().strip("`")] = rest
    return out


def row_of(rows, path):
    """`…equals` is a row for every field that ends so, `spec.*` for all that begins so."""
    ways = (path, path.removeprefix("spec.rules[]."))  # What a rule has is told without.
    for name, rest in rows.items():
        if any(way == name or way.endswith("." + name.lstrip("….")) or name.endswith(".*") and way.startswith(name[:-1]) for way in ways):
            return rest
    for name, rest in rows.items():
        if any(way.startswith(name + ".") for way in ways) and ("as in " in rest or "{secret: NAME}" in rest):
            return rest
    return None


def schema_fields(schema, node, path=""):
    """Each field with what the schema says of it; of a list `[]` is its items."""
    while "$ref" in node:
        target = schema
        for name in node["$ref"][2:].split("/"):
            target = target[name]
        node = {**target, **{key: value for key, value in node.items() if key != "$ref"}}
    if path:
        yield path, node
    for name, part in node.get("properties", {}).items():
        yield from schema_fields(schema, part, (path + "." if path else "") + name)
    if isinstance(node.get("items"), dict):
        yield from schema_fields(schema, node["items"], path + "[]")
    for part in (part for word in ("oneOf", "anyOf", "allOf") for part in node.get(word, [])):
        if {"properties", "items", "$ref", "minimum", "enum"} & set(part):
            yield from schema_fields(schema, part, path)


class Fields(unittest.TestCase):
    """Every kind has a page, and every field a row in it that tells its bounds."""
    common = {"apiVersion", "kind", "metadata", "metadata.labels", "spec"}

    def test_every_kind_has_its_page(self):
        index = read("manifests", "README.md")
        kinds = json.loads(read("schemas", "manifest.schema.json"))["properties"]["kind"]["enum"]
        for kind in [*kinds, "Configuration", "PolicyTest"]:
            page = {"PolicyTest": "policy-test"}.get(kind, kind.lower()) + ".md"
            text = read("manifests", page)
            self.assertIn(f"]({page})", index)
            for part in (f"\nkind: {kind}\n", "\nIn the above example:\n\n- `", "\n| field | type | default | meaning |\n"):
                self.assertIn(part, text, page)
            self.assertGreaterEqual(len(SHOWN.findall("".join(BLOCK.findall(text)))), 3, page)

    def test_every_field_of_a_schema_has_its_row(self):
        for file in sorted(glob.glob(os.path.join(TREE, "schemas/*.schema.json"))):
            kind = os.path.basename(file).split(".")[0]
            if kind in ("manifest", "siteclass"):  # All of them; and those of Site and Environment.
                continue
            schema, rows = json.loads(read(file)), table_rows(kind + ".md")
            seen = list(schema_fields(schema, schema))
            for path, node in seen:
                if path in self.common or path.endswith("[]"):
                    continue
                row = row_of(rows, path)
                if row is None and any(other.startswith((path + ".", path + "[].")) for other, _ in seen):
                    continue  # What is below it has rows.
                self.assertIsNotNone(row, f"{kind}.md: {path}")
                if "as in " in row:
                    continue
                for word in ("minimum", "maximum", "maxItems", "maxProperties"):
                    if node.get(word, 0) > 1 or word == "minimum" and word in node:
                        self.assertRegex(row, rf"(?<!\d){node[word]}(?!\d)", f"{kind}.md: {path}: {word}")
                for word in node.get("enum", []):
                    self.assertIn(str(word), row, f"{kind}.md: {path}")

    def test_every_row_is_of_a_field(self):
        for kind in ("driver", "site", "environment", "policy", "freeze", "grant"):
            schema = json.loads(read("schemas", kind + ".schema.json"))
            paths = {path for path, _ in schema_fields(schema, schema)}
            if kind == "policy":
                paths |= {path.removeprefix("spec.rules[].") for path in paths}
            for name in table_rows(kind + ".md"):
                if not name.startswith(("…", "@", "#", "-", "PRINCIPALS", "sources[]")):
                    self.assertTrue(name in paths or name.endswith(".*") and any(path.startswith(name[:-1]) for path in paths), f"{kind}.md: {name}")

    def test_every_field_of_the_configuration_and_of_an_example_has_its_row(self):
        """There the program's text is the schema."""
        for page, files in (("configuration.md", ["controller/service/configuration.cc", "controller/service/receivers.cc"]),
                            ("policy-test.md", ["schemas/policy_case.cc"])):
            rows = table_rows(page)
            names = {name for file in files for listed in re.findall(r"Fields \w+\(\s*\*?\w+,\s*\{([^}]*)\}", read(file))
                     for name in re.findall(r'"(\w+)"', listed)} - {"apiVersion", "kind", "metadata", "spec", "secret"}
            self.assertGreater(len(names), 15, page)
            ends = {part for row in rows for part in row.replace("[]", "").split(".")}
            self.assertEqual(names - ends, set(), page)


if __name__ == "__main__":
    unittest.main()
