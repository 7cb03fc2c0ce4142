#include "controller/service/receivers.h"

#include "schemas/checks.h"
#include "schemas/command_line.h"
#include "schemas/text.h"

namespace tidegate {
namespace {

// Each has a thread of its own.
constexpr std::size_t receivers_max = 50;
constexpr std::size_t globs_max = 1000;

constexpr TransitionType types[] = {TransitionType::failed, TransitionType::rolled_back,
                                    TransitionType::held, TransitionType::normal};

/// Never repeated: whoever knows such an address may write to it.
std::string wrong_webhook(const std::string& text) {
  const auto scheme = text.find("://");
  const bool web = text.starts_with("https://") || text.starts_with("http://");
  const std::string host =
      web ? text.substr(scheme + 3, text.find_first_of("/?#", scheme + 3) - scheme - 3) : "";
  const bool plain = text.find_first_of(" #") == text.npos && !has_control(text);
  return host.empty() || host.find('@') != host.npos || !plain
             ? "is no address: write http or https, a host and a path, without user name"
             : "";
}

void read_on(const Value& value, Receiver& out) {
  const auto items = value.items();
  if (!items) return;
  if (items->empty())
    value.wrong(
        "is empty: leave it out for all, or write some of failed, "
        "rolledBack, held, normal");
  out.on.clear();
  for (const Value& item : *items) {
    const auto word = item.one_of({"failed", "rolledBack", "held", "normal"});
    for (const TransitionType type : types)
      if (word && *word == to_string(type)) out.on.insert(type);
  }
}

void read_sites(const Value& value, Receiver& out) {
  if (auto globs = value.texts(wrong_name_pattern, globs_max)) {
    if (globs->empty()) value.wrong("is empty: leave it out for all, or write patterns of names");
    out.sites = std::move(*globs);
  }
}

void read_address(const Fields& fields, Receiver& out) {
  if (fields.count({"command", "webhook"}) != 1)
    fields.value().wrong("needs one of command and webhook");
  if (auto command = fields.find("command"))
    if (auto text = command->text(wrong_command)) out.command = *split_command(*text);
  if (auto webhook = fields.find("webhook"))
    if (auto text = webhook->hidden_text(wrong_webhook)) out.webhook = *text;
  const auto secret = fields.find("secret");
  if (!secret) return;
  if (fields.find("command")) secret->wrong("goes with webhook only: remove it");
  const Fields named(*secret, {"secret"});
  if (auto name = named.need("secret", "secret: hook"))
    if (auto text = name->hidden_text(wrong_secret_name))
      out.secret = SecretRef{*text, SecretRef::Scope::platform};
}

}  // namespace

std::vector<Receiver> read_receivers(const Value& notify) {
  std::vector<Receiver> out;
  const auto items = notify.items();
  if (!items) return out;
  if (items->size() > receivers_max)
    notify.wrong("names " + std::to_string(items->size()) + " receivers: write at most " +
                 std::to_string(receivers_max));
  std::set<std::string> names;
  for (const Value& item : *items) {
    if (!item.is_map()) continue;
    const Fields fields(item, {"name", "command", "webhook", "secret", "on", "sites"});
    Receiver receiver;
    if (auto name = fields.need("name", "name: on-call"))
      if (auto text = name->text(wrong_name)) receiver.name = *text;
    if (!receiver.name.empty() && !names.insert(receiver.name).second)
      item.wrong("\"" + receiver.name + "\" is the name of two receivers");
    read_address(fields, receiver);
    if (auto on = fields.find("on")) read_on(*on, receiver);
    if (auto sites = fields.find("sites")) read_sites(*sites, receiver);
    out.push_back(std::move(receiver));
  }
  return out;
}

}  // namespace tidegate
