#include "controller/git/former_document.h"

#include <string_view>

#include "schemas/document_text.h"
#include "schemas/fleet.h"

namespace tidegate {
namespace {

constexpr int commits_max = 10'000;
constexpr std::uint64_t manifest_bytes_max = 256 << 10;

/// What the branch pointed at before a commit; nothing for its first one.
Result<std::optional<CommitId>> first_parent(const GitRepository& repository,
                                             const CommitId& commit) {
  auto text = repository.read_commit(commit);
  if (!text) return std::move(text.error());
  constexpr std::string_view key = "\nparent ";
  const auto at = text->find(key);
  if (at == text->npos || at > text->find("\n\n")) return std::optional<CommitId>();
  return std::optional(CommitId{text->substr(at + key.size(), 40)});
}

std::string blob_of(const GitRepository& repository, const CommitId& commit,
                    const std::string& path) {
  const auto files = repository.list(commit, path);
  if (!files || files->size() != 1 || files->front().path != path) return "";
  return files->front().blob;
}

/// One version of a document and the file that has it.
struct Place {
  std::string path, blob;
  std::optional<std::string> document;
};

/// Looks for the document in one commit back: in the same file, and else in one that the commit
/// after it took it from.
class Search {
 public:
  Search(const GitRepository& repository, std::string site, std::string environment)
      : repository_(repository), site_(std::move(site)), environment_(std::move(environment)) {}

  Place at(const CommitId& commit, const std::string& path) const {
    Place out{path, blob_of(repository_, commit, path), {}};
    if (const auto text = manifest_in(repository_, commit, path))
      out.document = document_text(*text, site_, environment_);
    return out;
  }

  Place before(const CommitId& commit, const CommitId& parent, const Place& place) const {
    if (blob_of(repository_, parent, place.path) == place.blob) return place;
    Place same = at(parent, place.path);
    if (same.document) return same;
    const auto changed = repository_.changed(parent, commit, "");
    if (!changed) return same;
    for (const TrackedFile& file : *changed) {
      if (!is_manifest_path(file.path)) continue;
      if (Place other = at(parent, file.path); other.document) return other;
    }
    return same;
  }

 private:
  const GitRepository& repository_;
  const std::string site_, environment_;
};

}  // namespace

std::optional<std::string> manifest_in(const GitRepository& repository, const CommitId& commit,
                                       const std::string& path) {
  const std::string blob = blob_of(repository, commit, path);
  if (blob.empty()) return std::nullopt;
  auto text = repository.read_blob(blob, manifest_bytes_max);
  return text ? std::optional(std::move(*text)) : std::nullopt;
}

Result<FormerDocument> former_document(const GitRepository& repository, const CommitId& from,
                                       const std::string& path, const std::string& site,
                                       const std::string& environment) {
  const std::string where = site + "/" + environment;
  const Search search(repository, site, environment);
  Place place = search.at(from, path);
  if (!place.document)
    return Error{ErrorKind::invalid, "\"" + path + "\" of commit " + from.brief() +
                                         " does not hold the document of " + where};
  const std::string wanted = *place.document;
  CommitId commit = from;
  for (int i = 0; i < commits_max; ++i) {
    auto parent = first_parent(repository, commit);
    if (!parent) return std::move(parent.error());
    Place before = *parent ? search.before(commit, **parent, place) : Place{};
    if (!before.document || !same_document(*before.document, wanted)) {
      auto facts = repository.facts(commit);
      if (!facts) return std::move(facts.error());
      return FormerDocument{commit, std::move(*facts), std::move(before.document)};
    }
    commit = **parent;
    place = std::move(before);
  }
  return Error{ErrorKind::invalid, "none of the last " + std::to_string(commits_max) +
                                       " commits changed the document of " + where};
}

}  // namespace tidegate
