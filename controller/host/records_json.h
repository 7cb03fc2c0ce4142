#pragma once
// Records as text, in JSON, and back. Text that to_text() did not give throws a std::exception,
// which records.cc alone makes an error of.

#include <string>

#include "controller/host/records.h"

namespace tidegate {

std::string to_text(const ReleaseRecord& release);
std::string to_text(const EnvironmentRecord& record);
std::string to_text(const Journal& journal);
ReleaseRecord release_from(const std::string& text);
EnvironmentRecord record_from(const std::string& text);
Journal journal_from(const std::string& text);

}  // namespace tidegate
