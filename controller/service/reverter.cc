#include "controller/service/reverter.h"

#include <unistd.h>

#include <utility>

#include "controller/git/former_document.h"
#include "controller/git/writer.h"
#include "schemas/document_text.h"
#include "schemas/manifest.h"

namespace tidegate {
namespace {

constexpr int races_max = 5;

std::string memory_key(const Revert& revert) {
  return "revert " + revert.site + "/" + revert.environment;
}
std::string identity(const Revert& revert) {
  return revert.failure.operation.empty() ? revert.failure.digest : revert.failure.operation;
}

std::string host_name() {
  char name[256] = "localhost";
  ::gethostname(name, sizeof name - 1);
  return name;
}

/// What a document's own text names as its code.
std::optional<CodeTarget> code_in(const std::string& document) {
  const ManifestFile file = read_manifest_file("document", document);
  if (file.documents.size() != 1 || !file.documents[0]->environment) return std::nullopt;
  const auto& code = file.documents[0]->environment->code;
  return code ? std::optional(code->value) : std::nullopt;
}

/// The newest version of the document before the one that failed, as far as it may be written.
struct Former {
  std::string text;
  Asked asked;
  std::string refused;  ///< Why git is left alone.
};

Former look_back(const GitRepository& repository, const Revert& revert, const CommitId& read,
                 const std::string& path) {
  Former out;
  auto found = former_document(repository, read, path, revert.site, revert.environment);
  if (!found) {
    out.refused = found.error().message;
    return out;
  }
  const std::string where = revert.site + "/" + revert.environment;
  out.asked = {found->asked, found->facts.author, found->facts.subject};
  if (!found->text || revert.runs.hex.empty()) {
    out.refused = "before manifest commit " + found->asked.brief() + " there was nothing of " +
                  where + " to go back to";
    return out;
  }
  out.text = *found->text;
  if (!revert.made_by.empty() && repository.is_ancestor(found->asked, {revert.made_by})) {
    out.refused = "its document says the same since manifest commit " + found->asked.brief() +
                  ", by which it ran well: something else asked for what failed";
    return out;
  }
  const auto code = code_in(out.text);
  if (!code)
    out.refused = "before manifest commit " + found->asked.brief() + " the document of " + where +
                  " could not be read, or named no code";
  else if (const auto* commit = std::get_if<CommitId>(&*code); commit && *commit != revert.runs)
    out.refused = "before manifest commit " + found->asked.brief() + " it named " +
                  commit->brief() + ", and " + revert.runs.brief() + " is what it went back to";
  return out;
}

}  // namespace

/// How an attempt ended.
struct Reverter::Outcome {
  enum class Kind { written, there, refused, overtaken, raced, failed } kind = Kind::failed;
  std::string type{}, message{};  ///< Of the event; "" for nothing to tell.
};

/// One attempt on what the branch is now.
class Reverter::Attempt {
 public:
  using Kind = Outcome::Kind;

  Attempt(const Wanted& wanted, const WritableSource& source, Mirror& mirror, const Wishes& wishes,
          Timestamp now)
      : revert_(wanted.revert),
        read_{wanted.place.revision},
        name_(wanted.place.source),
        source_(source),
        mirror_(mirror),
        wishes_(wishes),
        now_(now),
        path_(source.folder + wanted.place.file),
        where_(revert_.site + "/" + revert_.environment) {}

  Outcome make() {
    if (auto refreshed = mirror_.refresh(); !refreshed) return failed(refreshed.error());
    auto repository = mirror_.open();
    if (!repository) return failed(repository.error());
    target_ = source_.ref.starts_with("refs/heads/") ? source_.ref : "refs/heads/" + source_.ref;
    const auto head = repository->resolve(target_);
    if (!head) return left_alone("\"" + source_.ref + "\" of source " + name_ + " is no branch");
    former_ = look_back(*repository, revert_, read_, path_);
    if (auto outcome = judge(*repository, *head)) return std::move(*outcome);
    expected_ = head;
    if (!revert_.branch.empty())
      if (auto outcome = choose_branch(*repository, *head)) return std::move(*outcome);
    return write(*repository, *head);
  }

 private:
  static Outcome failed(const Error& error) {
    const bool moved = error.message.find(" moved") != std::string::npos;
    return {moved ? Kind::raced : Kind::failed, "RevertFailed", error.message};
  }
  static Outcome left_alone(const std::string& why, Kind kind = Kind::refused) {
    return {kind, "RevertLeftAlone", "git is left alone: " + why};
  }

  std::optional<std::string> document_in(const GitRepository& repository,
                                         const CommitId& commit) const {
    const auto text = manifest_in(repository, commit, path_);
    if (!text) return std::nullopt;
    return document_text(*text, revert_.site, revert_.environment);
  }

  /// Whether there is nothing to write, or nothing that may be written.
  std::optional<Outcome> judge(const GitRepository& repository, const CommitId& head) const {
    const auto as_read = document_in(repository, read_), now_is = document_in(repository, head);
    if (now_is && !former_.text.empty() && same_text(*now_is, former_.text))
      return Outcome{Kind::there};
    if (!as_read || !now_is || !same_text(*now_is, *as_read))
      return left_alone("the document of " + where_ + " in \"" + path_ +
                            "\" has changed since commit " + read_.brief(),
                        Kind::overtaken);
    if (!former_.refused.empty()) return left_alone(former_.refused);
    return std::nullopt;
  }

  std::optional<Outcome> choose_branch(const GitRepository& repository, const CommitId& head) {
    target_ = "refs/heads/" + revert_.branch;
    expected_ = repository.resolve(target_);
    if (!expected_ || repository.is_ancestor(*expected_, head)) return std::nullopt;
    const auto proposed = document_in(repository, *expected_);
    // A branch from before that commit says so too, and takes nothing back when it is merged.
    const bool after = repository.is_ancestor(former_.asked.commit, *expected_);
    if (after && proposed && same_text(*proposed, former_.text)) return Outcome{Kind::there};
    return left_alone("branch \"" + revert_.branch + "\" has commits that \"" + source_.ref +
                      "\" has not; merge or delete it");
  }

  Outcome write(const GitRepository& repository, const CommitId& head) {
    FileEdit edit;
    edit.path = path_;
    edit.before = manifest_in(repository, head, path_);
    auto text = with_document(*edit.before, revert_.site, revert_.environment, former_.text);
    if (!text) return left_alone(text.error().message);
    edit.text = std::move(*text);
    edit.author_name = "Tidegate";
    edit.author_mail = "tidegate@" + host_name();
    edit.message = revert_message(revert_, former_.asked);
    edit.at = now_;
    const auto commit = commit_file(mirror_.path(), head, edit);
    if (!commit) return failed(commit.error());
    if (wishes_.pushes) wishes_.pushes(revert_, former_.asked, *commit, target_);
    if (auto pushed = mirror_.push(*commit, target_, expected_); !pushed)
      return failed(pushed.error());
    const std::string what = "manifest commit " + former_.asked.commit.brief() + " of " +
                             former_.asked.author + " is taken back for " + where_ + " by " +
                             commit->brief() + " on ";
    if (revert_.branch.empty())
      return {Kind::written, "ManifestReverted", what + "\"" + source_.ref + "\""};
    return {Kind::written, "RevertProposed",
            what + "branch \"" + revert_.branch + "\"; merge it there, or delete the branch"};
  }

  const Revert& revert_;
  const CommitId read_;  // What failed, as it was read.
  const std::string name_;
  const WritableSource& source_;
  Mirror& mirror_;
  const Wishes& wishes_;
  const Timestamp now_;
  const std::string path_, where_;
  Former former_;
  std::string target_;                // The reference that gets the commit,
  std::optional<CommitId> expected_;  // and what it is now.
};

Reverter::Reverter(std::map<std::string, WritableSource> sources, const Clock& clock, Store& store,
                   Chronicle& chronicle, std::function<double()> jitter, Wishes wishes)
    : sources_(std::move(sources)),
      clock_(clock),
      store_(store),
      chronicle_(chronicle),
      wishes_(std::move(wishes)),
      queue_(std::move(jitter)) {}

void Reverter::revert(const Revert& revert, const DocumentPlace& place) {
  const std::string key = revert.site + "/" + revert.environment;
  const auto done = store_.recall(memory_key(revert));
  if (done && *done && **done == identity(revert)) return;
  {
    std::lock_guard lock(mutex_);
    if (resting_.contains(key)) return;
    wanted_.insert_or_assign(key, Wanted{revert, place});
  }
  queue_.add(key, Lane::changed);
}

bool Reverter::run_one() {
  const auto key = queue_.pop(clock_.now());
  if (!key) return false;
  std::optional<Wanted> wanted;
  bool rested = false;
  {
    std::lock_guard lock(mutex_);
    rested = resting_.erase(*key) > 0;
    if (auto found = wanted_.extract(*key)) wanted = std::move(found.mapped());
  }
  if (wanted) settle(*key, *wanted, write(*wanted));
  if (rested && wishes_.look) wishes_.look(key->substr(0, key->find('/')));
  queue_.done(*key);
  return true;
}

Reverter::Outcome Reverter::write(const Wanted& wanted) {
  using Kind = Outcome::Kind;
  const auto source = sources_.find(wanted.place.source);
  if (source == sources_.end())
    return {Kind::refused, "RevertLeftAlone",
            "git is left alone: source " + wanted.place.source + " is not written to"};
  auto mirror = source->second.mirror();
  if (!mirror) return {Kind::failed, "RevertFailed", mirror.error().message};
  Outcome outcome;
  for (int i = 0; i < races_max; ++i) {
    outcome = Attempt(wanted, source->second, *mirror, wishes_, clock_.now()).make();
    if (outcome.kind != Kind::raced) return outcome;
  }
  outcome.kind = Kind::failed;
  return outcome;
}

void Reverter::settle(const std::string& key, const Wanted& wanted, const Outcome& outcome) {
  using Kind = Outcome::Kind;
  tell(wanted.revert, outcome.type, outcome.message);
  const bool over =
      outcome.kind == Kind::written || outcome.kind == Kind::there || outcome.kind == Kind::refused;
  if (over) static_cast<void>(store_.remember(memory_key(wanted.revert), identity(wanted.revert)));
  if (outcome.kind == Kind::failed) {
    std::lock_guard lock(mutex_);
    resting_.insert(key);
    wanted_.erase(key);
    return queue_.add_rate_limited(key, clock_.now());
  }
  queue_.forget(key);
  if (outcome.kind != Kind::refused && wishes_.read) wishes_.read();
}

/// Each once, however often it is tried.
void Reverter::tell(const Revert& revert, const std::string& type, const std::string& message) {
  if (type.empty()) return;
  {
    std::lock_guard lock(mutex_);
    std::string& last = told_[revert.site + "/" + revert.environment];
    if (last == identity(revert) + type + message) return;
    last = identity(revert) + type + message;
  }
  chronicle_.happened({clock_.now(), revert.site, revert.environment, type, message});
  if (wishes_.told) wishes_.told(revert, type, message);
}

}  // namespace tidegate
