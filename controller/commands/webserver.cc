// Prints what a web server and PHP-FPM need for a site's environments: every path it names is a
// link that Tidegate switches, resolved once a request.

#include <unistd.h>

#include <algorithm>
#include <iostream>
#include <sstream>

#include "controller/commands/input.h"
#include "controller/commands/options.h"
#include "controller/host/engines.h"
#include "controller/host/layout.h"

namespace tidegate {
namespace {

constexpr int retry_after_seconds = 5;

struct Host {
  const Site& site;
  const Environment& environment;
  EnvironmentLayout layout;

  std::string sockets, temporaries;

  std::string socket() const {
    return sockets + "/tidegate-" + site.name + "-" + environment.name + ".sock";
  }
  std::string temporary() const { return temporaries + "/" + site.name + "-" + environment.name; }
  std::string root(const char* link) const {
    const auto& docroot = site.application.docroot;
    return layout.directory() + "/" + link + "/code" +
           (docroot.empty() || docroot == "." ? "" : "/" + docroot);
  }
};

struct Address {
  std::string scheme, host;
  int port = 80;
};

Address address_of(const std::string& url) {
  Address out;
  const auto from = url.find("://");
  out.scheme = url.substr(0, from);
  out.host = url.substr(from + 3, url.find_first_of("/?#", from + 3) - from - 3);
  out.port = out.scheme == "https" ? 443 : 80;
  const auto colon = out.host.rfind(':');
  if (colon != std::string::npos && out.host.back() != ']') {
    out.port = std::atoi(out.host.c_str() + colon + 1);
    out.host.resize(colon);
  }
  return out;
}

/// Paths below the docroot that visitors may fill: no script is run from there.
std::vector<std::string> uploads(const Host& h) {
  std::vector<std::string> out;
  const std::string docroot = h.site.application.docroot;
  const std::string prefix = docroot.empty() || docroot == "." ? "" : docroot + "/";
  for (const auto& f : h.site.files)
    if (f.path.starts_with(prefix)) out.push_back("/" + f.path.substr(prefix.size()));
  return out;
}

void nginx_body(std::ostream& out, const Host& h) {
  out << "    index index.php index.html;\n"
      << "    client_max_body_size 64m;\n"
      << "    location / { try_files $uri $uri/ /index.php$is_args$args; }\n";
  // Where people and pages write to the code they can make links anywhere in it.
  if (h.environment.writable) out << "    disable_symlinks if_not_owner from=$document_root;\n";
  // Uploads are files and never code. Pages can make links there.
  for (const auto& path : uploads(h)) {
    out << "    location ^~ " << path << "/ {\n"
        << "        disable_symlinks on from=$document_root" << path << ";\n"
        << "        location ~ (/\\.|\\.(php|phtml|phar)) { return 403; }\n"
        << "    }\n";
  }
  out << "    location ~ /\\.(?!well-known/) { return 404; }\n"
      << "    location ~ \\.php$ {\n"
      << "        try_files $uri =404;\n"
      << "        include /etc/nginx/fastcgi_params;\n"
      << "        # Resolved once for all of a request: it ends in the release that it began in.\n"
      << "        fastcgi_param DOCUMENT_ROOT $realpath_root;\n"
      << "        fastcgi_param SCRIPT_FILENAME $realpath_root$fastcgi_script_name;\n"
      << "        fastcgi_pass unix:" << h.socket() << ";\n"
      << "    }\n";
}

void nginx(std::ostream& out, const Host& h) {
  const Address visitors = address_of(h.environment.url);
  const std::string root = h.root("current");
  out << "# " << h.site.name << "/" << h.environment.name << ": visitors\nserver {\n"
      << "    listen " << visitors.port << (visitors.scheme == "https" ? " ssl" : "") << ";\n"
      << "    server_name " << visitors.host << ";\n";
  if (visitors.scheme == "https") {
    out << "    ssl_certificate /etc/letsencrypt/live/" << visitors.host << "/fullchain.pem;\n"
        << "    ssl_certificate_key /etc/letsencrypt/live/" << visitors.host << "/privkey.pem;\n";
  }
  out << "    root " << root << ";\n"
      << "    if (-e " << h.layout.maintenance() << ") { return 503; }\n"
      << "    # Nothing has been deployed yet.\n"
      << "    if (!-e " << root << ") { return 503; }\n"
      << "    error_page 503 @maintenance;\n"
      << "    location @maintenance {\n"
      << "        internal;\n"
      << "        default_type text/html;\n"
      << "        add_header Retry-After " << retry_after_seconds << " always;\n"
      << "        add_header Cache-Control no-store always;\n"
      << "        return 503 \"<!doctype html><title>Maintenance</title><p>We are back in a "
         "moment.</p>\\n\";\n"
      << "    }\n";
  nginx_body(out, h);
  out << "}\n";
  if (h.environment.preview_url.empty()) return;
  const Address preview = address_of(h.environment.preview_url);
  out << "# " << h.site.name << "/" << h.environment.name
      << ": the prepared release, for verification; it does not look at the maintenance "
         "file\nserver {\n"
      << "    listen " << preview.host << ":" << preview.port << ";\n"
      << "    server_name _;\n"
      << "    root " << h.root("next") << ";\n"
      << "    if (!-e " << h.root("next") << ") { return 404; }\n"
      << "    add_header X-Robots-Tag noindex always;\n";
  nginx_body(out, h);
  out << "}\n";
}

void apache_host(std::ostream& out, const Host& h, const char* link, const Address& address,
                 bool visitors) {
  const std::string root = h.root(link);
  out << "<VirtualHost *:" << address.port << ">\n"
      << "    ServerName " << address.host << "\n"
      << "    DocumentRoot " << root << "\n";
  if (address.scheme == "https") {
    out << "    SSLEngine On\n"
        << "    SSLCertificateFile /etc/letsencrypt/live/" << address.host << "/fullchain.pem\n"
        << "    SSLCertificateKeyFile /etc/letsencrypt/live/" << address.host << "/privkey.pem\n";
  }
  out << "    <Directory " << h.layout.directory() << ">\n"
      << (h.environment.writable
              ? "        Options SymLinksIfOwnerMatch\n        AllowOverride AuthConfig FileInfo "
                "Indexes Limit Options=Indexes,MultiViews,SymLinksIfOwnerMatch\n"
              : "        Options FollowSymLinks\n        AllowOverride All\n")
      << "        Require all granted\n    </Directory>\n"
      << "    RewriteEngine On\n";
  if (visitors) {
    out << "    RewriteCond " << h.layout.maintenance() << " -f\n"
        << "    RewriteRule ^ - [R=503,L]\n"
        << "    ErrorDocument 503 \"This site is being updated. Please try again in a moment.\"\n"
        << "    Header always set Retry-After " << retry_after_seconds
        << " \"expr=%{REQUEST_STATUS} == 503\"\n";
  }
  out << "    RewriteRule \"(^|/)\\.(?!well-known/)\" - [R=404,L]\n";
  for (const auto& path : uploads(h))
    out << "    RewriteRule \"^" << path << "/.*\\.(php|phtml|phar)$\" - [R=404,L]\n";
  out << "    # The pool resolves the link of its own release (cgi.fix_pathinfo, realpath) for "
         "each request.\n"
      << "    <FilesMatch \"\\.php$\">\n        SetHandler \"proxy:unix:" << h.socket()
      << "|fcgi://localhost\"\n    </FilesMatch>\n"
      << "</VirtualHost>\n";
}

void apache(std::ostream& out, const Host& h) {
  const Address visitors = address_of(h.environment.url);
  out << "# " << h.site.name << "/" << h.environment.name
      << "; needs: a2enmod rewrite headers proxy_fcgi" << (visitors.scheme == "https" ? " ssl" : "")
      << "\n";
  if (visitors.port != 80 && visitors.port != 443)
    out << "# and in ports.conf: Listen " << visitors.port << "\n";
  apache_host(out, h, "current", visitors, true);
  if (h.environment.preview_url.empty()) return;
  const Address preview = address_of(h.environment.preview_url);
  out << "# The prepared release, for verification; in ports.conf: Listen " << preview.host << ":"
      << preview.port << "\n";
  apache_host(out, h, "next", preview, false);
}

std::string pool_user(const Host& h) {
  std::string name = h.environment.driver->run_as;
  for (const auto& [place, value] : {std::pair<std::string, std::string>{"{site}", h.site.name},
                                     {"{environment}", h.environment.name}}) {
    for (auto at = name.find(place); at != std::string::npos; at = name.find(place))
      name.replace(at, place.size(), value);
  }
  return name;
}

void pool(std::ostream& out, const Host& h) {
  const std::string temporary = h.temporary();
  const std::string user = pool_user(h);
  out << "; " << h.site.name << "/" << h.environment.name
      << ". Before the first start: install -d -m 0700" << (user.empty() ? "" : " -o " + user)
      << " " << temporary << "\n"
      << "[" << h.site.name << "-" << h.environment.name << "]\n";
  if (!user.empty() && ::geteuid() == 0) {
    out << "user = " << user << "\ngroup = " << user << "\n"
        << "listen.owner = www-data\nlisten.group = www-data\nlisten.mode = 0660\n";
  }
  out << "listen = " << h.socket() << "\n"
      << "pm = dynamic\npm.max_children = 8\npm.start_servers = 4\npm.min_spare_servers = "
         "3\npm.max_spare_servers = 8\n"
      << "clear_env = yes\n"
      << "env[TMPDIR] = " << temporary << "\n"
      << "php_admin_value[open_basedir] = " << h.layout.directory() << "/:" << temporary << "/\n"
      << "php_admin_value[sys_temp_dir] = " << temporary << "\n"
      << "php_admin_value[upload_tmp_dir] = " << temporary << "\n"
      << "php_admin_value[session.save_path] = " << temporary << "\n"
      << "php_admin_value[upload_max_filesize] = 64M\n"
      << "php_admin_value[post_max_size] = 64M\n"
      << "php_admin_value[disable_functions] = "
         "exec,passthru,shell_exec,system,proc_open,popen,pcntl_exec,dl\n\n";
}

/// What can be said to the master alone.
void php_ini(std::ostream& out) {
  out << "; For php.ini, once for the machine (a file in /etc/php/8.2/fpm/conf.d):\n"
      << ";   cgi.fix_pathinfo = 0\n"
      << ";   opcache.validate_permission = 1      one cache for all pools: none is served "
         "another's scripts\n"
      << ";   opcache.validate_timestamps = 1\n"
      << ";   opcache.revalidate_freq = 0\n"
      << ";   opcache.revalidate_path = 1\n"
      << ";   opcache.file_update_protection = 0\n"
      << ";   opcache.max_accelerated_files = 50000\n\n";
}

/// The same inside a web server's configuration, which stays one that can be included whole: as
/// comments that make a pool file once the leading "# " is taken away.
void pools_as_comments(std::ostream& out, const std::string& pools, const Target& target) {
  const std::string slash = target.environment.empty() ? "" : "/" + target.environment;
  const std::string dash = target.environment.empty() ? "" : "-" + target.environment;
  out << "# ; --- PHP-FPM: what follows, without \"# \", is "
         "/etc/php/8.2/fpm/pool.d/tidegate-"
      << target.site << dash << ".conf; so prints it:\n"
      << "# ; ---   tidegate webserver " << target.site << slash << " --for php-fpm\n";
  std::istringstream lines(pools);
  for (std::string line; std::getline(lines, line);)
    out << (line.empty() ? "#" : "# " + line) << "\n";
}

}  // namespace

int run_webserver(const Options& asked) {
  const auto found = with_manifests(asked);
  if (!found) return exit_usage;
  const Options& options = *found;
  auto given = given_fleet(options);
  if (!given) return fail(given.error().message);
  const auto site = given->fleet.find(options.target.site);
  if (!site) return fail(no_such_site(given->fleet, options.target.site).message);
  std::ostringstream hosts, pools;
  for (const auto& stage : site->stages) {
    const Environment* e = site->find(stage);
    if (!e || !e->driver ||
        (!options.target.environment.empty() && e->name != options.target.environment))
      continue;
    const Host host{*site, *e, layout_of(*site, *e), options.sockets, options.temporaries};
    if (pools.view().empty()) php_ini(pools);
    pool(pools, host);
    if (e->url.empty())
      hosts << "# " << site->name << "/" << e->name << " has no url\n";
    else
      options.webserver == "nginx" ? nginx(hosts, host) : apache(hosts, host);
  }
  if (pools.view().empty())
    return fail("site \"" + site->name + "\" declares no environment \"" +
                options.target.environment + "\"");
  if (options.webserver == "php-fpm") {
    std::cout << pools.view();
    return exit_done;
  }
  std::cout << hosts.view();
  pools_as_comments(std::cout, pools.str(), options.target);
  return exit_done;
}

}  // namespace tidegate
