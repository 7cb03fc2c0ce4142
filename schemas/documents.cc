#include "schemas/documents.h"

#include <algorithm>
#include <tuple>

#include "schemas/text.h"

namespace tidegate {

const Document* only_good(const DocumentList& documents) {
  return documents.size() == 1 && documents[0]->good ? documents[0].get() : nullptr;
}

std::vector<Problem> duplicates(const DocumentList& documents) {
  std::map<DocumentKey, const Document*> first;
  std::vector<Problem> problems;
  for (const auto& document : documents) {
    const auto [found, added] = first.emplace(document->key, document.get());
    if (added) continue;
    const Document& before = *found->second;
    problems.push_back({document->file, document->line, document->column, "metadata.name",
                        std::string(to_string(document->key.kind)) + " " +
                            quote(document->key.name) + " is already given in " + before.file +
                            ":" + std::to_string(before.line) + ": remove one of them"});
  }
  return problems;
}

void insert(DocumentList& documents, const std::shared_ptr<const Document>& document) {
  const auto earlier = [](const auto& left, const auto& right) {
    return std::tie(left->file, left->position) < std::tie(right->file, right->position);
  };
  documents.insert(std::upper_bound(documents.begin(), documents.end(), document, earlier),
                   document);
}

void remove(DocumentList& documents, const Document& document) {
  std::erase_if(documents, [&](const auto& other) { return other.get() == &document; });
}

const Problem* first_error(const std::vector<Problem>& problems) {
  for (const Problem& problem : problems)
    if (!problem.warning) return &problem;
  return nullptr;
}

void tidy(std::vector<Problem>& problems) {
  std::sort(problems.begin(), problems.end());
  problems.erase(std::unique(problems.begin(), problems.end()), problems.end());
}

}  // namespace tidegate
