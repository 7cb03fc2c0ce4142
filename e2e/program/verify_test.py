"""Verification as people meet it: pages, comparisons, configuration, soaking, and what is explained afterwards."""
import http.server
import json
import os
import threading
import unittest

from harness import Site


class VerificationTest(Site):
    stages = ["dev", "live"]

    def setUp(self):
        super().setUp()
        self.environments = {"dev": {"code": {"branch": "main"}}, "live": {"code": {"from": "dev"}}}
        self.url = self.serve("dev")
        self.environments["dev"]["url"] = self.url
        self.environments["dev"]["verify"] = {"retryFor": "0s"}

    def serve(self, environment):
        """A web server that shows what the environment runs; a page that begins with "!" answers 500."""
        root = self.place(environment, "current", "code", "web")

        class Pages(http.server.BaseHTTPRequestHandler):
            def do_GET(self):
                try:
                    with open(root + (self.path if self.path != "/" else "/index.html"), "rb") as page:
                        body, status = page.read(), 200
                except OSError:
                    body, status = b"not here", 404
                self.send_response(500 if body.startswith(b"!") else status)
                self.send_header("X-Served-By", "test pages")
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *_):
                pass
        server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Pages)
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        self.addCleanup(lambda: (server.shutdown(), thread.join(), server.server_close()))
        return f"http://127.0.0.1:{server.server_port}"

    def pages(self, **pages):
        return self.commit(json.dumps(pages), **{f"web/{name}.html": page for name, page in pages.items()})

    def explain(self, *more):
        done = self.run_program("explain", "acme/dev", *self.given(), *more)
        self.assertEqual(done.returncode, 0, done.stderr)
        return done.stdout

    def dev_runs(self):
        return self.record("dev")["commit"]

    def test_what_a_failed_verification_saw_is_explained_without_secrets(self):
        self.pages(index="<title>Acme</title>")
        self.apply()
        good = self.dev_runs()
        secret = self.path("secrets", "sites", "acme", "smtp")
        os.makedirs(os.path.dirname(secret))
        with open(secret, "w", encoding="utf-8") as out:
            out.write("hunter22")
        self.environments["dev"]["secrets"] = {"SMTP": "smtp"}
        self.environments["dev"]["verify"]["http"] = [
            {"path": "/", "status": 200, "header": {"x-served-by": "test"}, "within": "30s"}, {"path": "/shop.html"}]
        self.pages(index="<title>Acme</title>", shop="!Fatal error\nwrong password hunter22\n")
        failed = self.apply(1)
        message = f'verification: GET {self.url}/shop.html answered 500, wanted below 400; first line: "!Fatal error"'
        self.assertIn(message, failed.stdout + failed.stderr)
        self.assertEqual(self.dev_runs(), good)
        text = self.explain()
        for line in (", after visitors were let in", f"    GET {self.url}/: passed, 200 after ",
                     f"    GET {self.url}/shop.html: failed, 500 after ", "      wrong password ***"):
            self.assertIn(line, text)
        [failure] = json.loads(self.explain("-o", "json"))["failures"]
        self.assertTrue(failure["afterSwitch"])
        self.assertEqual(failure["message"], message)
        self.assertEqual([(e["check"], e["passed"], e["status"]) for e in failure["evidence"]],
                         [(f"GET {self.url}/", True, 200), (f"GET {self.url}/shop.html", False, 500)])
        for told in (text, self.logs(), json.dumps(failure)):
            self.assertNotIn("hunter22", told)

    def test_a_page_that_lost_its_title_goes_back_and_may_be_let_through(self):
        verify = self.environments["dev"]["verify"]
        self.pages(index="<title>Acme</title>", news="!never worked")
        verify["http"] = []
        self.apply()
        good = self.dev_runs()
        verify["compare"] = {"paths": ["/", "/news.html"]}
        changed = self.pages(index="<title>Welcome to nginx</title>")
        failed = self.apply(1)
        self.assertIn(f'GET {self.url}/ answered 200 with title "Welcome to nginx", and had "Acme" before the switch',
                      failed.stdout + failed.stderr)
        self.assertEqual(self.dev_runs(), good)
        verify["compare"]["titles"] = "ignore"
        self.apply()
        self.assertEqual(self.dev_runs(), changed)

    def test_configuration_that_differs_from_the_codes_fails_before_visitors_see_it(self):
        self.pages(index="one")
        self.apply()
        good = self.dev_runs()
        line = "sh -c 'echo system.site differs; test -e web/same.html'"
        self.site["application"]["commands"]["configStatus"] = [line]
        self.pages(index="two")
        failed = self.apply(1)
        self.assertIn(f'configStatus: "{line}": configuration in the database differs from the code\'s: system.site differs',
                      failed.stdout + failed.stderr)
        self.assertEqual(self.dev_runs(), good)
        self.assertFalse(json.loads(self.explain("-o", "json"))["failures"][0]["afterSwitch"])
        fixed = self.pages(index="two", same="")
        self.apply()
        self.assertEqual(self.dev_runs(), fixed)

    def test_a_release_soaks_before_what_follows_takes_it(self):
        self.environments["dev"]["verify"]["soak"] = {"for": "1s", "every": "1s"}
        commit = self.pages(index="one")
        self.apply()
        self.assertIn("soaking: all is as wanted after 1s of 1s", self.logs())
        self.assertEqual(self.record("live")["commit"], commit)


if __name__ == "__main__":
    unittest.main()
