#pragma once
// For tests: real SSH and OpenPGP keys in a directory of their own, and commits and tags that git
// signs with them.

#include <map>
#include <string>

#include "controller/git/test_repository.h"

namespace tidegate {

class TestSigners {
 public:
  struct SshKey {
    std::string file, line, fingerprint;
  };
  struct OpenPgpKey {
    std::string fingerprint, block;
  };

  TestSigners() {
    std::filesystem::create_directories(directory_ / "gpg");
    std::filesystem::permissions(directory_ / "gpg", std::filesystem::perms::owner_all);
    write_script("gpg-then", "exec gpg --batch --quiet $GPG_OPTIONS \"$@\"");
  }
  ~TestSigners() { shell(gpg_home() + "gpgconf --kill all; true"); }
  TestSigners(const TestSigners&) = delete;
  TestSigners& operator=(const TestSigners&) = delete;

  /// Made when first asked for: "weak-rsa", "weak-dsa", "good-rsa" and "good-ecdsa" are of that
  /// type, "carl" and "dora" have certificates of "authority" (for bot@ and dora@example.org); all
  /// others are ed25519.
  const SshKey& ssh(const std::string& name) {
    if (auto it = ssh_.find(name); it != ssh_.end()) return it->second;
    const std::string type = name == "weak-rsa"     ? "rsa -b 1024"
                             : name == "weak-dsa"   ? "dsa"
                             : name == "good-rsa"   ? "rsa -b 2048"
                             : name == "good-ecdsa" ? "ecdsa"
                                                    : "ed25519";
    SshKey key;
    key.file = directory_ / name;
    shell("ssh-keygen -q -N '' -C '' -t " + type + " -f '" + key.file + "'");
    key.line = read_file(key.file + ".pub");
    key.line.erase(key.line.find_last_not_of(" \n") + 1);
    key.fingerprint = shell("ssh-keygen -l -f '" + key.file + ".pub' | cut -d' ' -f2");
    if (name == "carl" || name == "dora") {
      shell("ssh-keygen -q -s '" + ssh("authority").file + "' -I " + name + " -n " +
            (name == "carl" ? "bot" : "dora") + "@example.org '" + key.file + ".pub'");
      key.file += "-cert.pub";
    }
    return ssh_[name] = key;
  }
  /// NAME@example.org: "weak" is RSA of 1024 bits, "old" was good for a day in 2020.
  const OpenPgpKey& gpg(const std::string& name) {
    if (auto it = gpg_.find(name); it != gpg_.end()) return it->second;
    const std::string mail = name + "@example.org";
    const std::string type = name == "weak" ? "rsa1024 sign never" : "ed25519 sign ";
    const std::string life = name == "weak" ? "" : name == "old" ? "2d" : "never";
    const std::string then = name == "old" ? "--faked-system-time 20200101T000000! " : "";
    shell(gpg_home() + "gpg --batch --quiet --passphrase '' " + then + "--quick-generate-key '" +
          name + " <" + mail + ">' " + type + life);
    OpenPgpKey key;
    key.fingerprint = shell(gpg_home() + "gpg --batch --with-colons --list-keys " + mail +
                            " 2>/dev/null | grep '^fpr' | head -1 | cut -d: -f10");
    key.block = shell(gpg_home() + "gpg --batch --armor --export " + mail) + "\n";
    return gpg_[name] = key;
  }
  /// The same key, with its own revocation certificate.
  std::string gpg_revoked(const std::string& name) {
    const OpenPgpKey& key = gpg(name);
    const std::string home = directory_ / "revoked";
    shell("mkdir -m 700 '" + home + "' && sed 's/^:---/---/' '" + (directory_ / "gpg") +
          "/openpgp-revocs.d/" + key.fingerprint + ".rev' > '" + home + "/certificate'");
    write_file(home + "/block", key.block);
    const std::string gpg = "gpg --batch --quiet --no-autostart --homedir '" + home + "' ";
    return shell("cd '" + home + "' && " + gpg + "--import block && " + gpg +
                 "--import certificate 2>/dev/null && " + gpg + "--armor --export") +
           "\n";
  }

  CommitId commit_ssh(const WorkTree& tree, const std::string& key) {
    tree.git("add -A");
    tree.git(with_ssh(key) + "commit -q -S --allow-empty -m signed");
    return {tree.git("rev-parse HEAD")};
  }
  /// `options`: more for gpg.
  CommitId commit_gpg(const WorkTree& tree, const std::string& key,
                      const std::string& options = "") {
    tree.git("add -A");
    tree.run(with_gpg(key, options) + "commit -q -S --allow-empty -m signed");
    return {tree.git("rev-parse HEAD")};
  }
  void tag_ssh(const WorkTree& tree, const std::string& key, const std::string& name) {
    tree.git(with_ssh(key) + "tag -s -m signed " + name);
  }
  void tag_gpg(const WorkTree& tree, const std::string& key, const std::string& name) {
    tree.run(with_gpg(key, "") + "tag -s -m signed " + name);
  }

 private:
  std::string gpg_home() const { return "export GNUPGHOME='" + (directory_ / "gpg") + "'; "; }
  std::string with_ssh(const std::string& key) {
    return "-c gpg.format=ssh -c user.signingkey='" + ssh(key).file + "' ";
  }
  std::string with_gpg(const std::string& key, const std::string& options) {
    return gpg_home() + "GPG_OPTIONS='" + options + "' git -c gpg.program='" +
           (directory_ / "gpg-then") + "' -c user.signingkey=" + gpg(key).fingerprint + " ";
  }
  void write_script(const std::string& name, const std::string& text) const {
    write_file(directory_ / name, "#!/bin/sh\n" + text + "\n");
    std::filesystem::permissions(directory_ / name, std::filesystem::perms::owner_all);
  }

  TemporaryDirectory directory_;
  std::map<std::string, SshKey> ssh_;
  std::map<std::string, OpenPgpKey> gpg_;
};

}  // namespace tidegate
