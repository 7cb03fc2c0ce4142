#include "controller/host/files/copy_bytes.h"

#include <linux/fs.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <vector>

namespace tidegate::files {
namespace {

/// Bytes between two questions whether to stop.
constexpr std::uint64_t chunk = 64 << 20;

/// What a file system says when it cannot do a thing at all, in contrast to failing at it.
bool unsupported(int code) {
  return code == EXDEV || code == ENOSYS || code == EOPNOTSUPP || code == EINVAL ||
         code == ENOTTY || code == EPERM || code == EBADF;
}

/// Reads and writes [begin, end) where the kernel will not copy.
int by_hand(int from, int to, std::uint64_t begin, std::uint64_t end, std::uint64_t& done) {
  std::vector<char> buffer(std::min<std::uint64_t>(end - begin, 256 << 10));
  while (begin < end) {
    const std::size_t wanted = std::min<std::uint64_t>(buffer.size(), end - begin);
    const ssize_t size = pread(from, buffer.data(), wanted, static_cast<off_t>(begin));
    if (size < 0 && errno == EINTR) continue;
    if (size < 0) return errno;
    if (size == 0) return 0;
    for (ssize_t written = 0; written < size;) {
      const ssize_t part =
          pwrite(to, buffer.data() + written, static_cast<std::size_t>(size - written),
                 static_cast<off_t>(begin) + written);
      if (part < 0 && errno == EINTR) continue;
      if (part < 0) return errno;
      written += part;
    }
    begin += static_cast<std::uint64_t>(size);
    done += static_cast<std::uint64_t>(size);
  }
  return 0;
}

/// Copies [begin, end), or up to where the file ends by now.
int copy_range(int from, int to, std::uint64_t begin, std::uint64_t end, std::uint64_t& done,
               const std::function<bool()>& stop) {
  while (begin < end) {
    if (stop && stop()) return ECANCELED;
    const std::uint64_t wanted = std::min(chunk, end - begin);
    loff_t in = static_cast<loff_t>(begin), out = in;
    const ssize_t size = copy_file_range(from, &in, to, &out, wanted, 0);
    if (size < 0 && errno == EINTR) continue;
    if (size > 0) {
      begin += static_cast<std::uint64_t>(size);
      done += static_cast<std::uint64_t>(size);
      continue;
    }
    if (size < 0 && !unsupported(errno)) return errno;
    // Some file systems answer 0 where they should refuse; reading tells the end for certain.
    const std::uint64_t before = done;
    if (const int error = by_hand(from, to, begin, begin + wanted, done)) return error;
    if (done - before < wanted) return 0;
    begin += wanted;
  }
  return 0;
}

}  // namespace

BytesCopied copy_bytes(int from, int to, std::uint64_t size, bool sparse,
                       const std::function<bool()>& stop) {
  BytesCopied copied;
  if (size == 0) return copied;
  if (ioctl(to, FICLONE, from) == 0) {
    copied.reflinked = true;
    copied.bytes = size;
    return copied;
  }
  if (!unsupported(errno)) {
    copied.error = errno;
    return copied;
  }
  std::uint64_t begin = 0, end = size;
  while (begin < size && copied.error == 0) {
    if (sparse) {
      const off_t data = lseek(from, static_cast<off_t>(begin), SEEK_DATA);
      if (data < 0 && errno == ENXIO) break;  // Nothing but a hole from here on.
      const off_t hole = data < 0 ? -1 : lseek(from, data, SEEK_HOLE);
      begin = data < 0 ? begin : static_cast<std::uint64_t>(data);
      end = hole < 0 ? size : std::min(size, static_cast<std::uint64_t>(hole));
      if (begin >= size) break;
    }
    copied.error = copy_range(from, to, begin, end, copied.bytes, stop);
    begin = end;
  }
  // A hole at the end has no bytes to write, yet counts.
  if (copied.error == 0 && sparse && ftruncate(to, static_cast<off_t>(size)) != 0) {
    copied.error = errno;
  }
  return copied;
}

}  // namespace tidegate::files
