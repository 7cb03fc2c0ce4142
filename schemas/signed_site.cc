#include "schemas/signed_site.h"

#include <algorithm>
#include <set>

namespace tidegate {
namespace {

std::set<SecretRef> asked_lists(const Governance& governance) {
  std::set<SecretRef> lists;
  for (const auto& policy : governance.policies)
    for (const Rule& rule : policy->rules) {
      const auto* asked = std::get_if<SignedRule>(&rule.spec);
      if (asked && asked->manifests) lists.insert(asked->allowed_signers);
    }
  return lists;
}

SignatureFact fact_of(const CommitId& commit, const SecretRef& list, const SignatureQuestion& ask) {
  if (commit.hex.empty()) return {false, "", "no commit is known to have brought them"};
  const auto fact = ask ? ask(commit, list) : std::nullopt;
  if (!fact) return {false, "", "commit " + commit.brief() + " is in no source"};
  return *fact;
}

SignatureFact all_of(const std::vector<CommitId>& commits, const SecretRef& list,
                     const SignatureQuestion& ask) {
  std::set<std::string> signers;
  for (const CommitId& commit : commits.empty() ? std::vector<CommitId>{{}} : commits) {
    SignatureFact fact = fact_of(commit, list, ask);
    if (!fact.valid) return {false, "", "manifests: " + fact.problem};
    signers.insert(fact.signer);
  }
  SignatureFact all{.valid = true, .signer = {}, .problem = {}};
  for (const std::string& signer : signers) all.signer += (all.signer.empty() ? "" : ", ") + signer;
  return all;
}

}  // namespace

bool asks_for_signed_manifests(const Governance& governance) {
  return !asked_lists(governance).empty();
}

SignatureQuestion first_answer(std::vector<SignatureQuestion> questions) {
  return [questions = std::move(questions)](const CommitId& commit, const SecretRef& list) {
    std::optional<SignatureFact> fact;
    for (auto ask = questions.begin(); ask != questions.end() && !fact; ++ask)
      fact = (*ask)(commit, list);
    return fact;
  };
}

std::shared_ptr<const Site> with_signatures(std::shared_ptr<const Site> site,
                                            const SignatureQuestion& ask) {
  if (!site || !site->governance) return site;
  const auto lists = asked_lists(*site->governance);
  if (lists.empty()) return site;
  auto vouched = std::make_shared<Site>(*site);
  for (const SecretRef& list : lists)
    vouched->manifest_signature[list.name] = all_of(site->manifest_commits, list, ask);
  return vouched;
}

}  // namespace tidegate
