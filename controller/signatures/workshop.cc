#include "controller/signatures/workshop.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <filesystem>
#include <utility>

#include "controller/process/descriptor.h"

namespace tidegate {
namespace {

using namespace std::chrono_literals;
constexpr Duration deadline = 20s;  // Milliseconds when all is well; a token's smart card is not
                                    // asked when verifying.
constexpr std::size_t output_bytes_max = 256 << 10;

}  // namespace

Result<Workshop> Workshop::make(const std::string& programs) {
  std::string path = "/tmp/tidegate-signature-XXXXXX";
  if (!::mkdtemp(path.data()))
    return Error{ErrorKind::transient, "make a directory in /tmp: " + std::string(strerror(errno))};
  return Workshop(path, programs);
}

Workshop::Workshop(Workshop&& other) noexcept
    : path_(std::exchange(other.path_, {})), programs_(std::move(other.programs_)) {}

Workshop::~Workshop() {
  if (path_.empty()) return;
  std::error_code ignored;
  std::filesystem::remove_all(path_, ignored);
}

Result<std::string> Workshop::put(const std::string& name, const std::string& text) const {
  const std::string path = path_ + "/" + name;
  const Descriptor file(::open(path.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600));
  std::size_t written = 0;
  while (file && written < text.size()) {
    const ssize_t count = ::write(file.get(), text.data() + written, text.size() - written);
    if (count < 0 && errno == EINTR) continue;
    if (count < 0) break;
    written += static_cast<std::size_t>(count);
  }
  if (!file || written < text.size())
    return Error{ErrorKind::transient, "write \"" + path + "\": " + strerror(errno)};
  return path;
}

Result<ProcessResult> Workshop::run(std::vector<std::string> argv, const std::string& input) const {
  ProcessRequest request;
  request.argv = std::move(argv);
  // A valid-before without a zone is UTC on every machine.
  request.environment = {{"PATH", programs_}, {"HOME", path_}, {"LC_ALL", "C"}, {"TZ", "UTC"}};
  request.directory = path_;
  request.input = input;
  request.deadline = deadline;
  request.grace = 1s;
  request.output_max = output_bytes_max;
  auto result = run_process(request);
  if (!result) return std::move(result.error());
  if (result->timed_out || result->signal != 0 || result->output_cut)
    return Error{
        ErrorKind::transient,
        request.argv[0] + ": " + (result->output_cut ? "too much output" : ending_of(*result))};
  return result;
}

}  // namespace tidegate
