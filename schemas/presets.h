#pragma once
// What each kind of application brings along: the lowest layer under SiteClass and Site.

#include <map>
#include <string>
#include <string_view>
#include <vector>

namespace tidegate {

/// wordpress, drupal, magento, custom.
const std::vector<std::string_view>& application_types();
/// The names of application.commands, in the order in which a deploy uses them.
const std::vector<std::string_view>& command_names();

/// Where the application's pages lie when nobody says so; "" is the code tree itself.
std::string preset_docroot(const std::string& type);
/// Paths its pages write besides content, for the docroot it has.
std::vector<std::string> preset_writable(const std::string& type, const std::string& docroot);
/// Command lines by name; a name that is not there has none.
const std::map<std::string, std::vector<std::string>>& preset_commands(const std::string& type);

}  // namespace tidegate
