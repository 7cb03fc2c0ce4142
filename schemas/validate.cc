#include "schemas/validate.h"

#include <algorithm>

namespace tidegate {

ValidationReport validate(const std::vector<FileChange>& files) {
  ValidationReport report;
  report.problems = Fleet{}.with(files, "", "").problems();
  report.ok = std::all_of(report.problems.begin(), report.problems.end(),
                          [](const Problem& problem) { return problem.warning; });
  return report;
}

}  // namespace tidegate
