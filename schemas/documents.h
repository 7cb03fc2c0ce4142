#pragma once
// Documents that speak of one thing. For those who put a Fleet together.

#include <memory>
#include <vector>

#include "schemas/manifest.h"

namespace tidegate {

using DocumentList = std::vector<std::shared_ptr<const Document>>;  // by file, then position

/// Duplicates among documents: told at the later one.
std::vector<Problem> duplicates(const DocumentList& documents);
/// The document, when there is exactly one and it is good.
const Document* only_good(const DocumentList& documents);
/// Adds it at its place.
void insert(DocumentList& documents, const std::shared_ptr<const Document>& document);
void remove(DocumentList& documents, const Document& document);
/// The first that is no warning; null when there is none.
const Problem* first_error(const std::vector<Problem>& problems);
/// In order, each once.
void tidy(std::vector<Problem>& problems);

}  // namespace tidegate
