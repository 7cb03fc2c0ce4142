// The view inside a sandbox, as a map from place to what is there. Emitted in the order of the
// paths, so that what lies deeper is mounted over what lies above it.

#include "controller/process/mounts.h"

#include <filesystem>
#include <map>

namespace tidegate {
namespace {

namespace fs = std::filesystem;

enum class Kind {
  read_only,
  writable,
  empty,      ///< A directory that stays so.
  temporary,  ///< A directory to write in, in memory.
  nothing,    ///< A file that is always empty.
  folder,     ///< On the way to something else.
  devices,
  processes,
  link,
};

struct Mount {
  Kind kind;
  std::string target;  ///< Of a link.
};

using Mounts = std::map<std::string, Mount>;

fs::file_type type_of(const std::string& path, bool follow) {
  std::error_code ignored;
  return (follow ? fs::status(path, ignored) : fs::symlink_status(path, ignored)).type();
}

std::string canonical(const std::string& path) {
  std::error_code error;
  const fs::path result = fs::weakly_canonical(path, error);
  return error ? path : result.string();
}

void add_system(Mounts& mounts) {
  for (const char* path :
       {"/usr", "/etc", "/opt", "/bin", "/sbin", "/lib", "/lib32", "/lib64", "/libx32"}) {
    if (type_of(path, false) == fs::file_type::symlink)
      mounts[path] = {Kind::link, fs::read_symlink(path).string()};
    else if (type_of(path, true) == fs::file_type::directory)
      mounts[path] = {Kind::read_only, {}};
  }
  mounts["/dev"] = {Kind::devices, {}};
  mounts["/proc"] = {Kind::processes, {}};
  mounts["/run"] = {Kind::empty, {}};
  mounts["/var/run"] = {Kind::link, "/run"};
  for (const char* path : {"/tmp", "/var/tmp", "/dev/shm", "/var/lib/php/sessions"})
    mounts[path] = {Kind::temporary, {}};
}

/// Shows `path`, a file or a directory, empty. One that is not there needs no hiding.
void hide(Mounts& mounts, const std::string& path) {
  const std::string place = canonical(path);
  const fs::file_type type = type_of(place, true);
  if (type == fs::file_type::directory)
    mounts[place] = {Kind::empty, {}};
  else if (type == fs::file_type::regular)
    mounts[place] = {Kind::nothing, {}};
}

/// A name server's address often lies in /run, behind a link.
void add_resolver(Mounts& mounts) {
  const std::string place = canonical("/etc/resolv.conf");
  if (place.starts_with("/run/") && type_of(place, true) == fs::file_type::regular)
    mounts[place] = {Kind::read_only, {}};
}

/// The directories on the way to what is mounted, where no other mount brings them: left to bwrap,
/// they would be closed to the user that a controller that is root becomes.
void add_folders(Mounts& mounts) {
  const Mounts places = mounts;
  for (const auto& [path, mount] : places) {
    std::vector<std::string> way;
    fs::path up = fs::path(path).parent_path();
    for (; up != "/" && !places.contains(up.string()); up = up.parent_path())
      way.push_back(up.string());
    const auto above = places.find(up.string());
    if (above != places.end() &&
        (above->second.kind == Kind::read_only || above->second.kind == Kind::writable))
      continue;
    for (std::string& folder : way) mounts[std::move(folder)] = {Kind::folder, {}};
  }
}

Mounts mounts_of(const Sandbox& sandbox) {
  Mounts mounts;
  add_system(mounts);
  for (const char* path : {"/etc/shadow", "/etc/shadow-", "/etc/gshadow", "/etc/gshadow-",
                           "/etc/ssl/private", "/etc/letsencrypt", "/etc/tidegate"})
    hide(mounts, path);
  if (sandbox.network) add_resolver(mounts);
  if (!sandbox.hidden_root.empty()) mounts[sandbox.hidden_root] = {Kind::empty, {}};
  for (const std::string& path : sandbox.read_only) mounts[path] = {Kind::read_only, {}};
  for (const std::string& path : sandbox.writable) mounts[path] = {Kind::writable, {}};
  for (const std::string& path : sandbox.sockets) {
    // /var/run is a link inside: what is asked for there must be at its other end.
    const bool linked = path.starts_with("/var/run/");
    mounts[linked ? path.substr(4) : path] = {Kind::read_only, {}};
  }
  for (const std::string& path : sandbox.hidden) hide(mounts, path);
  add_folders(mounts);
  return mounts;
}

void add(std::vector<std::string>& arguments, const std::string& path, const Mount& mount,
         const Sandbox& sandbox) {
  const auto append = [&](std::initializer_list<std::string> more) {
    arguments.insert(arguments.end(), more);
  };
  switch (mount.kind) {
    case Kind::read_only:
      return append({"--ro-bind", path, path});
    case Kind::writable:
      return append({"--bind", path, path});
    case Kind::empty:
      return append({"--perms", "0755", "--tmpfs", path});
    case Kind::temporary:
      return append(
          {"--perms", "1777", "--size", std::to_string(sandbox.temporary_max), "--tmpfs", path});
    case Kind::folder:
      return append({"--perms", "0755", "--dir", path});
    case Kind::nothing:
      return append({"--ro-bind", "/dev/null", path});
    case Kind::devices:
      return append({"--dev", path});
    case Kind::processes:
      return append({"--proc", path});
    case Kind::link:
      return append({"--symlink", mount.target, path});
  }
}

}  // namespace

std::vector<std::string> mount_arguments(const Sandbox& sandbox) {
  const Mounts mounts = mounts_of(sandbox);
  std::vector<std::string> arguments;
  for (const auto& [path, mount] : mounts) add(arguments, path, mount, sandbox);
  // Once all places are made, nothing can be written beside them: that would be memory without a
  // limit.
  for (const auto& [path, mount] : mounts)
    if (mount.kind == Kind::empty || mount.kind == Kind::devices) {
      arguments.push_back("--remount-ro");
      arguments.push_back(path);
    }
  arguments.push_back("--remount-ro");
  arguments.push_back("/");
  return arguments;
}

}  // namespace tidegate
