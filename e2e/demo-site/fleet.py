"""The manifests of the demo, as a site team and a platform team would write them."""

DRIVER = """\
# Where environments run: on this machine.
apiVersion: tidegate/v1
kind: Driver
metadata: {{name: this-machine}}
spec:
  host:
    root: {root}{run_as}{isolation}
"""

SITE_CLASS = """\
# What guestbooks have in common; the platform team writes it once.
apiVersion: tidegate/v1
kind: SiteClass
metadata: {name: guestbook}
spec:
  driver: this-machine
  application:
    type: custom
    docroot: web
    commands:
      build: ["sh -c 'cat styles/*.css > web/style.css'"]
      install: ["php bin/install.php"]
      afterCopy: ["php bin/after_copy.php"]
      updatePending: ["php bin/update.php --pending"]
      update: ["php bin/update.php"]
  content:
    databases: [{name: main, engine: sqlite}]
    files: [{name: photos, path: web/photos}]
  environments:
    verify: {http: [{path: /, status: 200, contains: "<h1>Guestbook"}]}
"""

SITE = """\
apiVersion: tidegate/v1
kind: Site
metadata: {{name: acme}}
spec:
  class: guestbook
  repository: {{url: {code}}}
  # Code goes up this list one step at a time; content comes down it.
  stages: [dev, test, live]
  # True once visitors come: from then on nothing overwrites Live's content.
  launched: {launched}
"""

ENVIRONMENT = """\
apiVersion: tidegate/v1
kind: Environment
metadata: {{name: {name}, site: acme}}
spec:
  # Where visitors see it, and where a prepared release is looked at before they do.
  url: {url}
  previewUrl: {preview_url}
  # Which commit runs here.
  code: {code}
  # Where its content comes from. A higher generation asks for it again, once.
  content: {content}
"""


def manifests(root, user, isolation, code, first, addresses, previews):
    """Every file of the GitOps repository: its path and its text."""
    environments = {
        "dev": ("{branch: main}", "{source: live, generation: 1}"),
        "test": (f"{{commit: {first}}}",
                 "{source: live, generation: 1, refresh: {onPromote: true}}"),
        "live": (f"{{commit: {first}}}", "{source: keep}"),
    }
    files = {
        "platform/driver.yaml": DRIVER.format(
            root=root, run_as=f"\n    runAs: {user}" if user else "",
            isolation="" if isolation == "sandbox" else f"\n    isolation: {isolation}"),
        "platform/guestbook.yaml": SITE_CLASS,
        "acme/site.yaml": SITE.format(code=code, launched="false"),
    }
    for name, (commit, content) in environments.items():
        files[f"acme/{name}.yaml"] = ENVIRONMENT.format(
            name=name, url=addresses[name], preview_url=previews[name], code=commit,
            content=content)
    return files
