#pragma once
// A map by name whose copies share what they have in common.

#include <array>
#include <cstddef>
#include <functional>
#include <map>
#include <memory>
#include <string>

namespace tidegate {

/// Spread over buckets by hash; a copy shares every bucket until one side changes it, so a change
/// among n costs n / bucket_count. Not ordered.
template <class T>
class Shards {
 public:
  static constexpr std::size_t bucket_count = 512;
  using Bucket = std::map<std::string, std::shared_ptr<const T>>;

  std::shared_ptr<const T> find(const std::string& name) const {
    const auto& bucket = buckets_[index(name)];
    if (!bucket) return nullptr;
    const auto found = bucket->find(name);
    return found == bucket->end() ? nullptr : found->second;
  }

  void set(const std::string& name, std::shared_ptr<const T> value) {
    own(index(name))[name] = std::move(value);
  }
  void erase(const std::string& name) { own(index(name)).erase(name); }

  /// Calls `visit(name, value)` for every entry.
  template <class Visit>
  void each(Visit visit) const {
    for (const auto& bucket : buckets_)
      if (bucket)
        for (const auto& [name, value] : *bucket) visit(name, *value);
  }

  /// Calls `visit(name)` for every name that one side has and the other has not, or not as the very
  /// same pointer.
  template <class Visit>
  static void each_difference(const Shards& left, const Shards& right, Visit visit) {
    static const Bucket none;
    for (std::size_t i = 0; i < bucket_count; ++i) {
      if (left.buckets_[i] == right.buckets_[i]) continue;
      const Bucket& one = left.buckets_[i] ? *left.buckets_[i] : none;
      const Bucket& other = right.buckets_[i] ? *right.buckets_[i] : none;
      for (const auto& [name, value] : one) {
        const auto found = other.find(name);
        if (found == other.end() || found->second != value) visit(name);
      }
      for (const auto& [name, value] : other)
        if (one.count(name) == 0) visit(name);
    }
  }

 private:
  static std::size_t index(const std::string& name) {
    return std::hash<std::string>{}(name) % bucket_count;
  }
  // A bucket nobody else holds may change in place.
  Bucket& own(std::size_t i) {
    auto& bucket = buckets_[i];
    if (!bucket)
      bucket = std::make_shared<Bucket>();
    else if (bucket.use_count() > 1)
      bucket = std::make_shared<Bucket>(*bucket);
    return *bucket;
  }

  std::array<std::shared_ptr<Bucket>, bucket_count> buckets_;
};

}  // namespace tidegate
