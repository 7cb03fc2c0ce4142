// Keeps the number of a mirror's packs small.

#include "controller/git/consolidate.h"

#include <git2.h>
#include <git2/sys/odb_backend.h>

#include <filesystem>
#include <vector>

#include "controller/git/handles.h"

namespace tidegate {

namespace {

namespace fs = std::filesystem;

/// The small packs' paths without ".pack".
std::vector<std::string> small_packs(const std::string& folder) {
  std::vector<std::string> packs;
  std::error_code ignored;
  for (const auto& file : fs::directory_iterator(folder, ignored)) {
    fs::path path = file.path();
    if (path.extension() != ".pack" || file.file_size(ignored) > small_pack_bytes_max) continue;
    if (fs::exists(path.replace_extension(".idx"), ignored))
      packs.push_back(path.replace_extension());
  }
  return packs;
}

int insert(const git_oid* oid, void* builder) {
  return git_packbuilder_insert(static_cast<git_packbuilder*>(builder), oid, nullptr);
}

/// Adds every object of one pack.
bool insert_pack(git_packbuilder* builder, const std::string& pack) {
  GitHandle<git_odb> odb;
  git_odb_backend* backend = nullptr;
  if (git_odb_new(odb.out()) < 0 || git_odb_backend_one_pack(&backend, (pack + ".idx").c_str()) < 0)
    return false;
  if (git_odb_add_backend(odb.get(), backend, 1) < 0) {
    backend->free(backend);
    return false;
  }
  return git_odb_foreach(odb.get(), insert, builder) == 0;
}

}  // namespace

std::optional<Error> consolidate(git_repository* mirror, const std::string& path) {
  const std::string folder = path + "/objects/pack";
  const std::vector<std::string> packs = small_packs(folder);
  if (packs.size() <= small_packs_max) return std::nullopt;
  GitHandle<git_packbuilder> builder;
  const auto failed = [] {
    return Error{ErrorKind::transient, "put packs together: " + libgit2_reason()};
  };
  if (git_packbuilder_new(builder.out(), mirror) < 0) return failed();
  for (const std::string& pack : packs)
    if (!insert_pack(builder.get(), pack)) return failed();
  if (git_packbuilder_write(builder.get(), folder.c_str(), 0, nullptr, nullptr) < 0)
    return failed();
  const std::string made = folder + "/pack-" + git_packbuilder_name(builder.get());
  std::error_code failure;
  if (!fs::exists(made + ".idx", failure)) return failed();
  // The index goes first: a pack without one is not looked at, an index without its pack is an
  // error.
  for (const std::string& pack : packs) {
    if (pack == made) continue;
    for (const char* ending : {".idx", ".pack"}) fs::remove(pack + ending, failure);
  }
  return std::nullopt;
}

}  // namespace tidegate
