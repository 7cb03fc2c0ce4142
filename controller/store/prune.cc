#include "controller/store/prune.h"

#include <algorithm>
#include <chrono>
#include <limits>
#include <thread>
#include <vector>

namespace tidegate {
namespace {

// Rows that go in one transaction: a few milliseconds of work.
constexpr std::int64_t rows_in_a_slice = 1000;
// Other processes try for the lock now and then only: give them a chance between two slices.
constexpr std::chrono::milliseconds pause{2};

/// What one slice did. It is the last one when it found nothing.
struct Slice {
  bool found = false;
  std::size_t removed = 0;
};

using Values = std::initializer_list<Value>;

/// Removes some of the operations whose sequence numbers `which` gives; their logs go first.
Result<Slice> remove_operations(Connection& connection, std::string_view which, Values values) {
  Slice slice;
  auto done = connection.transaction([&]() -> Result<void> {
    std::vector<std::int64_t> sequences;
    const auto read = connection.each(which, values,
                                      [&](const Row& row) { sequences.push_back(row.integer(0)); });
    if (!read) return read.error();
    slice.found = !sequences.empty();
    std::int64_t budget = rows_in_a_slice;
    for (const std::int64_t sequence : sequences) {
      auto cut = connection.run(
          "DELETE FROM log WHERE operation = ?1 AND line IN "
          "(SELECT line FROM log WHERE operation = ?1 ORDER BY line LIMIT ?2)",
          {sequence, budget});
      if (!cut) return cut;
      budget -= static_cast<std::int64_t>(connection.changed_rows());
      // With no budget left there may be more of this log: the next slice comes back to it.
      if (budget <= 0) return {};
      auto removed = connection.run("DELETE FROM operations WHERE sequence = ?", {sequence});
      if (!removed) return removed;
      ++slice.removed;
      if (--budget <= 0) return {};
    }
    return {};
  });
  if (!done) return std::move(done.error());
  return slice;
}

Result<Slice> remove_events(Connection& connection, std::string_view sql, Values values) {
  Slice slice;
  auto done = connection.transaction([&]() -> Result<void> {
    auto run = connection.run(sql, values);
    slice.removed = connection.changed_rows();
    slice.found = slice.removed > 0;
    return run;
  });
  if (!done) return std::move(done.error());
  return slice;
}

/// Slice after slice until one finds nothing.
template <class Remove>
Result<std::size_t> repeat(StoreFile& file, Remove&& remove) {
  std::size_t removed = 0;
  while (true) {
    auto slice = file.use(remove);
    if (!slice) return std::move(slice.error());
    removed += slice->removed;
    if (!slice->found) return removed;
    std::this_thread::sleep_for(pause);
  }
}

Result<std::vector<std::string>> sites(StoreFile& file, std::string_view sql, std::int64_t keep) {
  return file.use([&](Connection& connection) -> Result<std::vector<std::string>> {
    std::vector<std::string> names;
    auto read = connection.each(sql, {keep}, [&](const Row& row) { names.push_back(row.text(0)); });
    if (!read) return std::move(read.error());
    return names;
  });
}

Result<std::size_t> prune_by_age(StoreFile& reader, StoreFile& writer, std::int64_t older_than) {
  auto operations = repeat(writer, [&](Connection& connection) {
    return remove_operations(connection,
                             "SELECT sequence FROM operations WHERE started_at < ?1 "
                             "AND (ended_at IS NULL OR ended_at < ?1) "
                             "ORDER BY started_at LIMIT 200",
                             {older_than});
  });
  if (!operations) return operations;
  // Events lie in the order of time but for a clock that stepped: all before the first young one.
  const auto bound = reader.use([&](Connection& connection) {
    return connection.integer(
        "SELECT coalesce((SELECT id FROM events WHERE at >= ? ORDER BY id LIMIT 1), "
        "(SELECT max(id) + 1 FROM events), 0)",
        {older_than});
  });
  if (!bound) return bound.error();
  auto events = repeat(writer, [&](Connection& connection) {
    return remove_events(connection,
                         "DELETE FROM events WHERE id IN "
                         "(SELECT id FROM events WHERE id < ? ORDER BY id LIMIT ?)",
                         {*bound, rows_in_a_slice});
  });
  if (!events) return events;
  return *operations + *events;
}

Result<std::size_t> prune_by_count(StoreFile& reader, StoreFile& writer, std::int64_t keep) {
  std::size_t removed = 0;
  const auto with_operations = sites(reader,
                                     "SELECT site FROM operations WHERE put AND ended_at NOTNULL "
                                     "GROUP BY site HAVING count(*) > ?",
                                     keep);
  if (!with_operations) return with_operations.error();
  for (const std::string& site : *with_operations) {
    const auto operations = repeat(writer, [&](Connection& connection) {
      return remove_operations(connection,
                               "SELECT sequence FROM operations WHERE site = ?1 AND put "
                               "AND ended_at NOTNULL ORDER BY started_at DESC, sequence DESC "
                               "LIMIT 200 OFFSET ?2",
                               {site, keep});
    });
    if (!operations) return operations;
    removed += *operations;
  }
  const auto with_events =
      sites(reader, "SELECT site FROM events GROUP BY site HAVING count(*) > ?", keep);
  if (!with_events) return with_events.error();
  for (const std::string& site : *with_events) {
    const auto events = repeat(writer, [&](Connection& connection) {
      return remove_events(connection,
                           "DELETE FROM events WHERE id IN (SELECT id FROM events WHERE site = ?1 "
                           "ORDER BY id DESC LIMIT ?2 OFFSET ?3)",
                           {site, rows_in_a_slice, keep});
    });
    if (!events) return events;
    removed += *events;
  }
  return removed;
}

}  // namespace

Result<std::size_t> prune(StoreFile& reader, StoreFile& writer, Timestamp older_than,
                          std::size_t keep_per_site) {
  auto old = prune_by_age(reader, writer, older_than.time_since_epoch().count());
  if (!old) return old;
  constexpr auto most = static_cast<std::size_t>(std::numeric_limits<std::int64_t>::max());
  const auto keep = static_cast<std::int64_t>(std::min(keep_per_site, most));
  auto many = prune_by_count(reader, writer, keep);
  if (!many) return many;
  return *old + *many;
}

}  // namespace tidegate
