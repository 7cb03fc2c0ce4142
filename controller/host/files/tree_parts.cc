#include "controller/host/files/tree_parts.h"

#include <openssl/evp.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <ctime>
#include <memory>
#include <unordered_map>

#include "controller/host/files/handle.h"

namespace tidegate::files {
namespace {

/// Kernels stamp files with a clock that ticks every 1 to 10 ms.
constexpr std::int64_t tick_ns = 20'000'000;

class Sha256 {
 public:
  Sha256() : context_(EVP_MD_CTX_new(), EVP_MD_CTX_free) {
    // Fetched once: EVP_sha256() would be looked up again for each file.
    static const EVP_MD* const algorithm = EVP_MD_fetch(nullptr, "SHA256", nullptr);
    EVP_DigestInit_ex(context_.get(), algorithm, nullptr);
  }
  void add(const void* bytes, std::size_t size) { EVP_DigestUpdate(context_.get(), bytes, size); }
  std::string hex() {
    unsigned char digest[EVP_MAX_MD_SIZE];
    unsigned size = 0;
    EVP_DigestFinal_ex(context_.get(), digest, &size);
    std::string text;
    for (unsigned index = 0; index < size; ++index) {
      text += "0123456789abcdef"[digest[index] >> 4];
      text += "0123456789abcdef"[digest[index] & 15];
    }
    return text;
  }

 private:
  std::unique_ptr<EVP_MD_CTX, decltype(&EVP_MD_CTX_free)> context_;
};

}  // namespace

std::optional<std::string> sha256_of(int descriptor) {
  Sha256 hash;
  char buffer[65536];
  for (off_t offset = 0;;) {
    const ssize_t size = pread(descriptor, buffer, sizeof buffer, offset);
    if (size < 0 && errno == EINTR) continue;
    if (size < 0) return std::nullopt;
    if (size == 0) return hash.hex();
    hash.add(buffer, static_cast<std::size_t>(size));
    offset += size;
  }
}

std::string sha256_of(std::string_view text) {
  Sha256 hash;
  hash.add(text.data(), text.size());
  return hash.hex();
}

std::string digest_of(const std::vector<TreeEntry>& entries) {
  Sha256 hash;
  for (const TreeEntry& entry : entries) {
    std::string line(1, "FDL"[static_cast<int>(entry.kind)]);
    line += entry.path + '\0' + std::to_string(entry.mode) + '\0' + entry.sha256 + '\0' +
            entry.target + '\0';
    hash.add(line.data(), line.size());
  }
  return hash.hex();
}

bool is_excluded(const std::string& path, const std::vector<std::string>& excluded) {
  return std::any_of(excluded.begin(), excluded.end(),
                     [&](const std::string& top) { return at_or_below(path, top); });
}

void record(TreeEntry& entry, const struct stat& status, std::int64_t now_ns) {
  entry.inode = status.st_ino;
  entry.mtime_ns = nanoseconds(status.st_mtim);
  const std::int64_t ctime = nanoseconds(status.st_ctim);
  entry.ctime_ns = ctime + tick_ns < now_ns ? ctime : 0;
}

std::int64_t real_time_ns() {
  timespec time{};
  clock_gettime(CLOCK_REALTIME, &time);
  return nanoseconds(time);
}

std::vector<Siblings> by_directory(const std::vector<TreeEntry>& entries,
                                   const std::vector<std::size_t>& indexes) {
  std::vector<Siblings> groups;
  std::unordered_map<std::string, std::size_t> known;
  for (const std::size_t index : indexes) {
    std::string parent = parent_of(entries[index].path);
    const auto [place, is_new] = known.emplace(std::move(parent), groups.size());
    if (is_new) groups.push_back({place->first, {}});
    groups[place->second].entries.push_back(index);
  }
  return groups;
}

}  // namespace tidegate::files
