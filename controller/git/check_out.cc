// Writes a commit's files out: everything that can be refused is refused first, then folders, then
// files from memory by two threads, then links, so that no file is ever written through a link.

#include <fcntl.h>
#include <git2.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <cerrno>
#include <cstring>
#include <filesystem>
#include <map>
#include <mutex>
#include <set>
#include <thread>

#include "controller/git/handles.h"
#include "controller/git/repository.h"
#include "controller/git/tree_rules.h"
#include "controller/process/descriptor.h"

namespace tidegate {

namespace {

constexpr unsigned mode_link = 0120000, mode_submodule = 0160000, mode_executable = 0100755;
constexpr std::uint64_t file_bytes_max = std::uint64_t{1} << 30;
constexpr std::uint64_t held_alone_bytes = std::uint64_t{16} << 20;
constexpr std::uint64_t link_bytes_max = 4095;
constexpr std::size_t batch_files = 64;  // Neighbours share a folder and often a delta base.

Error disk(const std::string& doing, const std::string& path) {
  return {ErrorKind::transient, doing + " \"" + path + "\": " + std::strerror(errno)};
}

struct Plan {
  std::vector<TrackedFile> files;
  std::map<std::string, std::string> links;  ///< Path → target.
  std::set<std::string> folders;             ///< Parents before children.
};

Result<std::map<std::string, std::string>> read_links(const GitRepository& repository,
                                                      const std::vector<TrackedFile>& entries) {
  std::map<std::string, std::string> links;
  for (const TrackedFile& entry : entries) {
    if (entry.mode != mode_link) continue;
    auto target = repository.read_blob(entry.blob, link_bytes_max);
    if (!target) return std::move(target.error()).within("link \"" + entry.path + "\"");
    if (target->find('\0') != std::string::npos)
      return Error{ErrorKind::invalid, "link \"" + entry.path + "\" has a NUL in its target"};
    links[entry.path] = *target;
  }
  return links;
}

Result<Plan> plan_of(const GitRepository& repository, std::vector<TrackedFile> entries) {
  auto links = read_links(repository, entries);
  if (!links) return std::move(links.error());
  Plan plan{.files = {}, .links = std::move(*links), .folders = {}};
  for (TrackedFile& entry : entries) {
    const auto refuse = [&](const std::string& cause) {
      return Error{ErrorKind::invalid, "\"" + clean_line(entry.path, 300) + "\" " + cause};
    };
    if (const std::string problem = path_problem(entry.path); !problem.empty())
      return refuse(problem);
    if (entry.mode == mode_submodule)
      return refuse("is a submodule, which is not supported; commit its files instead");
    if (entry.size > file_bytes_max)
      return refuse("has " + std::to_string(entry.size) +
                    " bytes, more than 1 GiB; keep it in the site's files, not in its code");
    for (auto slash = entry.path.find('/'); slash != entry.path.npos;
         slash = entry.path.find('/', slash + 1))
      plan.folders.insert(entry.path.substr(0, slash));
    if (entry.mode != mode_link) {
      plan.files.push_back(std::move(entry));
      continue;
    }
    if (const std::string problem = link_problem(entry.path, plan.links); !problem.empty())
      return refuse("is a symbolic link to \"" + clean_line(plan.links[entry.path], 300) +
                    "\", which " + problem);
  }
  return plan;
}

std::optional<Error> write_all(int descriptor, const char* bytes, std::size_t size,
                               const std::string& path) {
  while (size > 0) {
    const ssize_t written = ::write(descriptor, bytes, size);
    if (written < 0 && errno == EINTR) continue;
    if (written < 0) return disk("write", path);
    bytes += written;
    size -= static_cast<std::size_t>(written);
  }
  return std::nullopt;
}

/// What the writing threads share.
class Writing {
 public:
  Writing(const Plan& plan, const std::string& repository_path, int directory)
      : plan_(plan), repository_path_(repository_path), directory_(directory) {}

  /// Writes batches until there is none or something failed. Run by every thread.
  void run() {
    GitHandle<git_repository> repository;
    GitHandle<git_odb> odb;
    if (git_repository_open_bare(repository.out(), repository_path_.c_str()) < 0 ||
        git_repository_odb(odb.out(), repository.get()) < 0) {
      fail({ErrorKind::transient, "read the repository: " + libgit2_reason()});
      return;
    }
    while (!failed_) {
      const std::size_t start = next_.fetch_add(batch_files);
      if (start >= plan_.files.size()) return;
      const std::size_t end = std::min(start + batch_files, plan_.files.size());
      for (std::size_t i = start; i < end && !failed_; ++i)
        if (auto error = write_file(odb.get(), plan_.files[i])) fail(std::move(*error));
    }
  }

  std::optional<Error> error;  ///< To be read when every thread has ended.

 private:
  std::optional<Error> write_file(git_odb* odb, const TrackedFile& file) {
    std::unique_lock<std::mutex> alone(large_, std::defer_lock);
    if (file.size > held_alone_bytes) alone.lock();
    git_oid oid;
    GitHandle<git_odb_object> object;
    if (!from_hex(file.blob, oid) || git_odb_read(object.out(), odb, &oid) < 0)
      return Error{ErrorKind::transient, "read \"" + file.path + "\": " + libgit2_reason()};
    Descriptor out(::openat(directory_, file.path.c_str(),
                            O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600));
    if (out.get() < 0) return disk("create", file.path);
    if (auto failure =
            write_all(out.get(), static_cast<const char*>(git_odb_object_data(object.get())),
                      git_odb_object_size(object.get()), file.path))
      return failure;
    // By fchmod, for the umask of whoever started the process has no say in it.
    if (::fchmod(out.get(), file.mode == mode_executable ? 0755 : 0644) < 0 || out.close() < 0)
      return disk("write", file.path);
    return std::nullopt;
  }

  void fail(Error failure) {
    const std::lock_guard<std::mutex> lock(error_guard_);
    if (!error) error = std::move(failure);
    failed_ = true;
  }

  const Plan& plan_;
  const std::string& repository_path_;
  const int directory_;
  std::atomic<std::size_t> next_ = 0;
  std::atomic<bool> failed_ = false;
  std::mutex large_;        ///< Held by the thread that has a large file in memory.
  std::mutex error_guard_;  ///< Guards error.
};

std::optional<Error> write_out(const Plan& plan, const std::string& repository_path,
                               int directory) {
  for (const std::string& folder : plan.folders)
    if (::mkdirat(directory, folder.c_str(), 0700) < 0 ||
        ::fchmodat(directory, folder.c_str(), 0755, 0) < 0)
      return disk("create", folder);
  Writing writing(plan, repository_path, directory);
  if (plan.files.size() <= batch_files) {
    writing.run();
  } else {
    std::thread second([&] { writing.run(); });
    writing.run();
    second.join();
  }
  if (writing.error) return writing.error;
  for (const auto& [path, target] : plan.links)
    if (::symlinkat(target.c_str(), directory, path.c_str()) < 0) return disk("create", path);
  if (::syncfs(directory) < 0) return disk("write", "the directory");
  return std::nullopt;
}

std::optional<Error> directory_problem(const std::string& directory) {
  const auto refuse = [&](const std::string& cause) {
    return Error{ErrorKind::invalid, "\"" + directory + "\" " + cause};
  };
  if (!directory.starts_with("/")) return refuse("is not an absolute path");
  std::error_code failure;
  const bool empty = std::filesystem::is_empty(directory, failure);
  if (failure) return refuse("cannot be written to: " + failure.message());
  if (!empty) return refuse("is not empty");
  return std::nullopt;
}

}  // namespace

Result<void> GitRepository::can_check_out(const CommitId& commit) const {
  auto entries = list(commit, "");
  if (!entries) return std::move(entries.error());
  auto plan = plan_of(*this, std::move(*entries));
  if (!plan) return std::move(plan.error());
  return {};
}

Result<Checkout> GitRepository::check_out(const CommitId& commit,
                                          const std::string& directory) const {
  const std::string doing = "check out \"" + commit.brief() + "\"";
  if (auto problem = directory_problem(directory)) return std::move(*problem).within(doing);
  auto entries = list(commit, "");
  if (!entries) return std::move(entries.error()).within("check out");
  auto plan = plan_of(*this, std::move(*entries));
  if (!plan) return std::move(plan.error()).within(doing);
  Descriptor target(::open(directory.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  if (target.get() < 0) return disk("open", directory).within(doing);
  if (auto error = write_out(*plan, git_repository_path(repository_.get()), target.get()))
    return std::move(*error).within(doing);
  Checkout checkout;
  checkout.files = plan->files.size() + plan->links.size();
  for (const TrackedFile& file : plan->files) checkout.bytes += file.size;
  return checkout;
}

}  // namespace tidegate
