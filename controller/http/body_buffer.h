#pragma once
// A stream buffer for cpprestsdk that keeps the beginning of a body, for get.cc alone.

#include <cpprest/astreambuf.h>

#include <algorithm>
#include <functional>
#include <memory>
#include <mutex>
#include <string>

namespace tidegate {

/// Written to by the library's threads, read when the exchange is over. What does not fit is
/// dropped, and `on_full` is called each time.
class BodyBuffer : public concurrency::streams::details::streambuf_state_manager<std::uint8_t> {
 public:
  BodyBuffer(std::size_t bytes_max, std::function<void()> on_full)
      : streambuf_state_manager(std::ios_base::out),
        bytes_max_(bytes_max),
        on_full_(std::move(on_full)) {}
  ~BodyBuffer() override { this->_close_write(); }

  std::string text() const {
    std::lock_guard lock(mutex_);
    return text_;
  }

 protected:
  bool can_seek() const override { return false; }
  bool has_size() const override { return false; }
  std::size_t buffer_size(std::ios_base::openmode) const override { return 0; }
  void set_buffer_size(std::size_t, std::ios_base::openmode) override {}
  std::size_t in_avail() const override { return 0; }
  pos_type getpos(std::ios_base::openmode) const override { return -1; }
  pos_type seekpos(pos_type, std::ios_base::openmode) override { return -1; }
  pos_type seekoff(off_type, std::ios_base::seekdir, std::ios_base::openmode) override {
    return -1;
  }
  bool acquire(std::uint8_t*&, std::size_t&) override { return false; }
  void release(std::uint8_t*, std::size_t) override {}

  pplx::task<int_type> _putc(std::uint8_t byte) override {
    keep(&byte, 1);
    return pplx::task_from_result<int_type>(byte);
  }
  pplx::task<std::size_t> _putn(const std::uint8_t* bytes, std::size_t count) override {
    keep(bytes, count);
    return pplx::task_from_result(count);
  }
  pplx::task<std::size_t> _putn(const std::uint8_t* bytes, std::size_t count, bool) override {
    return _putn(bytes, count);
  }
  pplx::task<int_type> _bumpc() override { return end(); }
  int_type _sbumpc() override { return traits::eof(); }
  pplx::task<int_type> _getc() override { return end(); }
  int_type _sgetc() override { return traits::eof(); }
  pplx::task<int_type> _nextc() override { return end(); }
  pplx::task<int_type> _ungetc() override { return end(); }
  pplx::task<std::size_t> _getn(std::uint8_t*, std::size_t) override {
    return pplx::task_from_result(std::size_t{0});
  }
  std::size_t _scopy(std::uint8_t*, std::size_t) override { return 0; }
  pplx::task<bool> _sync() override { return pplx::task_from_result(true); }
  std::uint8_t* _alloc(std::size_t) override { return nullptr; }
  void _commit(std::size_t) override {}

 private:
  static pplx::task<int_type> end() { return pplx::task_from_result<int_type>(traits::eof()); }

  void keep(const std::uint8_t* bytes, std::size_t count) {
    bool full;
    {
      std::lock_guard lock(mutex_);
      const std::size_t kept = std::min(count, bytes_max_ - text_.size());
      text_.append(reinterpret_cast<const char*>(bytes), kept);
      full = kept < count;
    }
    if (full) on_full_();
  }

  const std::size_t bytes_max_;
  const std::function<void()> on_full_;
  mutable std::mutex mutex_;
  std::string text_;
};

}  // namespace tidegate
