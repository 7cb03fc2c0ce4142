// What `tidegate webserver` prints, word by word, and that the servers themselves read it.

#include <gtest/gtest.h>
#include <unistd.h>

#include <cstdlib>
#include <filesystem>
#include <sstream>

#include "controller/commands/options.h"
#include "controller/git/test_repository.h"

namespace tidegate {
namespace {

const std::string manifests = R"(apiVersion: tidegate/v1
kind: Driver
metadata: {name: host}
spec: {host: {root: /srv/sites, runAs: "{site}-{environment}"}}
---
apiVersion: tidegate/v1
kind: Site
metadata: {name: acme}
spec:
  driver: host
  repository: {url: /srv/acme.git}
  stages: [dev, test, live]
  application: {type: custom, docroot: web}
  content: {databases: [{name: main, engine: sqlite}], files: [{name: uploads, path: web/files}, {name: private, path: var/private}]}
---
apiVersion: tidegate/v1
kind: Environment
metadata: {name: dev, site: acme}
spec: {code: {branch: main}}
---
apiVersion: tidegate/v1
kind: Environment
metadata: {name: test, site: acme}
spec: {code: {from: dev}, url: "http://test.acme.example:8080", previewUrl: "http://127.0.0.1:8081"}
---
apiVersion: tidegate/v1
kind: Environment
metadata: {name: live, site: acme}
spec: {code: {from: test}, url: "https://acme.example"}
)";

class WebserverTest : public testing::Test {
 protected:
  WebserverTest() { write_file(directory / "fleet/fleet.yaml", manifests); }
  std::string printed(const std::string& environment, const std::string& kind,
                      int expected = exit_done) {
    Options options;
    options.command = "webserver";
    options.manifests = directory / "fleet";
    options.state = directory / "state.db";
    options.target = {"acme", environment};
    options.webserver = kind;
    testing::internal::CaptureStdout();
    testing::internal::CaptureStderr();
    EXPECT_EQ(run_webserver(options), expected);
    told = testing::internal::GetCapturedStderr();
    return testing::internal::GetCapturedStdout();
  }
  /// Without the pools.
  std::string hosts(const std::string& environment, const std::string& kind) {
    const std::string all = printed(environment, kind);
    return all.substr(0, all.find("# ; --- PHP-FPM"));
  }
  /// Runs a server's own check of a configuration, when the server is installed.
  void expect_read(const std::string& program, const std::string& arguments,
                   const std::string& text) {
    if (!std::filesystem::exists(program)) GTEST_SKIP() << program << " is not installed";
    write_file(directory / "server.conf", text);
    try {
      shell(program + " " + arguments + " " + (directory / "server.conf"));
    } catch (const std::exception& refused) {
      ADD_FAILURE() << refused.what() << "\n" << text;
    }
  }
  /// An ordinary user may not make nginx's default ones.
  std::string own_folders() const {
    std::string text;
    for (const char* name : {"client_body", "proxy", "fastcgi", "uwsgi", "scgi"})
      text += std::string(name) + "_temp_path " + (directory / name) + ";\n";
    return text;
  }
  TemporaryDirectory directory;
  std::string told;
};

TEST_F(WebserverTest, PrintsNginxHostsForVisitorsAndForThePreview) {
  EXPECT_EQ(hosts("test", "nginx"), R"nginx(# acme/test: visitors
server {
    listen 8080;
    server_name test.acme.example;
    root /srv/sites/acme/test/current/code/web;
    if (-e /srv/sites/acme/test/maintenance) { return 503; }
    # Nothing has been deployed yet.
    if (!-e /srv/sites/acme/test/current/code/web) { return 503; }
    error_page 503 @maintenance;
    location @maintenance {
        internal;
        default_type text/html;
        add_header Retry-After 5 always;
        add_header Cache-Control no-store always;
        return 503 "<!doctype html><title>Maintenance</title><p>We are back in a moment.</p>\n";
    }
    index index.php index.html;
    client_max_body_size 64m;
    location / { try_files $uri $uri/ /index.php$is_args$args; }
    location ^~ /files/ {
        disable_symlinks on from=$document_root/files;
        location ~ (/\.|\.(php|phtml|phar)) { return 403; }
    }
    location ~ /\.(?!well-known/) { return 404; }
    location ~ \.php$ {
        try_files $uri =404;
        include /etc/nginx/fastcgi_params;
        # Resolved once for all of a request: it ends in the release that it began in.
        fastcgi_param DOCUMENT_ROOT $realpath_root;
        fastcgi_param SCRIPT_FILENAME $realpath_root$fastcgi_script_name;
        fastcgi_pass unix:/run/php/tidegate-acme-test.sock;
    }
}
# acme/test: the prepared release, for verification; it does not look at the maintenance file
server {
    listen 127.0.0.1:8081;
    server_name _;
    root /srv/sites/acme/test/next/code/web;
    if (!-e /srv/sites/acme/test/next/code/web) { return 404; }
    add_header X-Robots-Tag noindex always;
    index index.php index.html;
    client_max_body_size 64m;
    location / { try_files $uri $uri/ /index.php$is_args$args; }
    location ^~ /files/ {
        disable_symlinks on from=$document_root/files;
        location ~ (/\.|\.(php|phtml|phar)) { return 403; }
    }
    location ~ /\.(?!well-known/) { return 404; }
    location ~ \.php$ {
        try_files $uri =404;
        include /etc/nginx/fastcgi_params;
        # Resolved once for all of a request: it ends in the release that it began in.
        fastcgi_param DOCUMENT_ROOT $realpath_root;
        fastcgi_param SCRIPT_FILENAME $realpath_root$fastcgi_script_name;
        fastcgi_pass unix:/run/php/tidegate-acme-test.sock;
    }
}
)nginx");
  EXPECT_EQ(told, "");
}

TEST_F(WebserverTest, PrintsThePoolsTooAsCommentsThatMakeAFile) {
  const std::string pools = printed("test", "php-fpm");
  for (const char* kind : {"nginx", "apache"}) {
    const std::string all = printed("test", kind);
    std::istringstream lines(all.substr(hosts("test", kind).size()));
    std::string bare;
    for (std::string line; std::getline(lines, line);) {
      ASSERT_EQ(line.substr(0, line.size() > 1 ? 2 : 1), line.size() > 1 ? "# " : "#");
      bare += (line.size() > 1 ? line.substr(2) : "") + "\n";
    }
    EXPECT_EQ(bare,
              "; --- PHP-FPM: what follows, without \"# \", is "
              "/etc/php/8.2/fpm/pool.d/tidegate-acme-test.conf; so prints it:\n"
              "; ---   tidegate webserver acme/test --for php-fpm\n" +
                  pools);
  }
}

TEST_F(WebserverTest, PrintsWhatHttpsNeeds) {
  const std::string nginx = printed("live", "nginx"), apache = printed("live", "apache");
  EXPECT_NE(nginx.find(R"(    listen 443 ssl;
    server_name acme.example;
    ssl_certificate /etc/letsencrypt/live/acme.example/fullchain.pem;
    ssl_certificate_key /etc/letsencrypt/live/acme.example/privkey.pem;
)"),
            std::string::npos)
      << nginx;
  EXPECT_EQ(nginx.find("next"), std::string::npos) << "there is no previewUrl";
  EXPECT_TRUE(apache.starts_with(R"(# acme/live; needs: a2enmod rewrite headers proxy_fcgi ssl
<VirtualHost *:443>
    ServerName acme.example
    DocumentRoot /srv/sites/acme/live/current/code/web
    SSLEngine On
    SSLCertificateFile /etc/letsencrypt/live/acme.example/fullchain.pem
    SSLCertificateKeyFile /etc/letsencrypt/live/acme.example/privkey.pem
    <Directory /srv/sites/acme/live>
)")) << apache;
}

TEST_F(WebserverTest, PrintsApacheHostsForVisitorsAndForThePreview) {
  EXPECT_EQ(hosts("test", "apache"),
            R"apache(# acme/test; needs: a2enmod rewrite headers proxy_fcgi
# and in ports.conf: Listen 8080
<VirtualHost *:8080>
    ServerName test.acme.example
    DocumentRoot /srv/sites/acme/test/current/code/web
    <Directory /srv/sites/acme/test>
        Options FollowSymLinks
        AllowOverride All
        Require all granted
    </Directory>
    RewriteEngine On
    RewriteCond /srv/sites/acme/test/maintenance -f
    RewriteRule ^ - [R=503,L]
    ErrorDocument 503 "This site is being updated. Please try again in a moment."
    Header always set Retry-After 5 "expr=%{REQUEST_STATUS} == 503"
    RewriteRule "(^|/)\.(?!well-known/)" - [R=404,L]
    RewriteRule "^/files/.*\.(php|phtml|phar)$" - [R=404,L]
    # The pool resolves the link of its own release (cgi.fix_pathinfo, realpath) for each request.
    <FilesMatch "\.php$">
        SetHandler "proxy:unix:/run/php/tidegate-acme-test.sock|fcgi://localhost"
    </FilesMatch>
</VirtualHost>
# The prepared release, for verification; in ports.conf: Listen 127.0.0.1:8081
<VirtualHost *:8081>
    ServerName 127.0.0.1
    DocumentRoot /srv/sites/acme/test/next/code/web
    <Directory /srv/sites/acme/test>
        Options FollowSymLinks
        AllowOverride All
        Require all granted
    </Directory>
    RewriteEngine On
    RewriteRule "(^|/)\.(?!well-known/)" - [R=404,L]
    RewriteRule "^/files/.*\.(php|phtml|phar)$" - [R=404,L]
    # The pool resolves the link of its own release (cgi.fix_pathinfo, realpath) for each request.
    <FilesMatch "\.php$">
        SetHandler "proxy:unix:/run/php/tidegate-acme-test.sock|fcgi://localhost"
    </FilesMatch>
</VirtualHost>
)apache");
}

TEST_F(WebserverTest, PrintsAPoolForEachEnvironmentWithOrWithoutAUrl) {
  const std::string users = ::geteuid() == 0
                                ? "user = acme-test\ngroup = acme-test\nlisten.owner = "
                                  "www-data\nlisten.group = www-data\nlisten.mode = 0660\n"
                                : "";
  EXPECT_EQ(printed("test", "php-fpm"),
            R"(; For php.ini, once for the machine (a file in /etc/php/8.2/fpm/conf.d):
;   cgi.fix_pathinfo = 0
;   opcache.validate_permission = 1      one cache for all pools: none is served another's scripts
;   opcache.validate_timestamps = 1
;   opcache.revalidate_freq = 0
;   opcache.revalidate_path = 1
;   opcache.file_update_protection = 0
;   opcache.max_accelerated_files = 50000

; acme/test. Before the first start: install -d -m 0700 -o acme-test /var/lib/php/tidegate/acme-test
[acme-test]
)" + users + R"(listen = /run/php/tidegate-acme-test.sock
pm = dynamic
pm.max_children = 8
pm.start_servers = 4
pm.min_spare_servers = 3
pm.max_spare_servers = 8
clear_env = yes
env[TMPDIR] = /var/lib/php/tidegate/acme-test
php_admin_value[open_basedir] = /srv/sites/acme/test/:/var/lib/php/tidegate/acme-test/
php_admin_value[sys_temp_dir] = /var/lib/php/tidegate/acme-test
php_admin_value[upload_tmp_dir] = /var/lib/php/tidegate/acme-test
php_admin_value[session.save_path] = /var/lib/php/tidegate/acme-test
php_admin_value[upload_max_filesize] = 64M
php_admin_value[post_max_size] = 64M
php_admin_value[disable_functions] = exec,passthru,shell_exec,system,proc_open,popen,pcntl_exec,dl

)");
  const std::string all = printed("", "php-fpm");
  for (const char* name : {"dev", "test", "live"})
    EXPECT_NE(all.find("\n[acme-" + std::string(name) + "]\n"), std::string::npos) << name;
  EXPECT_EQ(all.find("opcache.revalidate_freq"), all.rfind("opcache.revalidate_freq"))
      << "php.ini is the machine's, once";
}

TEST_F(WebserverTest, FollowsNoLinkOfAnotherOwnerWherePeopleWriteToTheCode) {
  std::string text = manifests;
  const std::string managed = "{code: {branch: main}}";
  text.replace(text.find(managed), managed.size(),
               "{code: {branch: main, writable: true}, url: \"http://dev.acme.example\"}");
  write_file(directory / "fleet/fleet.yaml", text);
  EXPECT_NE(
      printed("dev", "nginx").find("    disable_symlinks if_not_owner from=$document_root;\n"),
      std::string::npos);
  EXPECT_NE(printed("dev", "apache")
                .find("        Options SymLinksIfOwnerMatch\n        AllowOverride AuthConfig "
                      "FileInfo Indexes Limit Options=Indexes,MultiViews,SymLinksIfOwnerMatch\n"),
            std::string::npos);
}

TEST_F(WebserverTest, SaysWhatItHasNothingToPrintFor) {
  EXPECT_EQ(hosts("dev", "nginx"), "# acme/dev has no url\n");
  EXPECT_EQ(printed("prod", "nginx", exit_failed), "");
  EXPECT_EQ(told, "tidegate: site \"acme\" declares no environment \"prod\"\n");
}

TEST_F(WebserverTest, NginxReadsIt) {
  expect_read("/usr/sbin/nginx", "-t -q -e /dev/null -p " + directory.path() + " -c",
              "pid " + (directory / "pid") + ";\nevents {}\nhttp {\naccess_log off;\n" +
                  own_folders() + printed("test", "nginx") + "}\n");
}

TEST_F(WebserverTest, ApacheReadsIt) {
  std::string text = "ServerRoot " + directory.path() +
                     "\nServerName localhost\nPidFile pid\nErrorLog /dev/null\nListen 8080\nListen "
                     "127.0.0.1:8081\n";
  for (const char* module :
       {"mpm_event", "authz_core", "rewrite", "headers", "proxy", "proxy_fcgi"}) {
    text += "LoadModule " + std::string(module) + "_module /usr/lib/apache2/modules/mod_" + module +
            ".so\n";
  }
  expect_read("/usr/sbin/apache2", "-t -f", text + printed("test", "apache"));
}

TEST_F(WebserverTest, PhpFpmReadsIt) {
  std::string text = manifests;
  const std::string run_as = "runAs: \"{site}-{environment}\"";
  text.replace(text.find(run_as), run_as.size(), "runAs: www-data");
  write_file(directory / "fleet/fleet.yaml", text);
  expect_read("/usr/sbin/php-fpm8.2", "-t -y",
              "[global]\nerror_log = " + (directory / "log") + "\n" + printed("test", "php-fpm"));
}

}  // namespace
}  // namespace tidegate
