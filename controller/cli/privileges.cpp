// SPDX-License-Identifier: Apache-2.0

#include "controller/cli/privileges.hpp"

#include <cap-ng.h>
#include <fcntl.h>
#include <pwd.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>

#include <fmt/format.h>
#include <fmt/ranges.h>

#include "controller/base/ascii.hpp"
#include "controller/base/descriptor.hpp"

namespace saspd::cli {
namespace {

using Capabilities = std::vector<unsigned>;

struct Identity {
  uid_t user;
  gid_t group;
  Capabilities keep;
};

Capabilities capabilities_of(const Needs& needs) {
  Capabilities capabilities;
  for (const auto capability : needs.keep)
    capabilities.push_back(capability == Capability::bpf ? CAP_BPF : CAP_NET_ADMIN);
  return capabilities;
}

bool has(unsigned capability) {
  return capng_have_capability(CAPNG_PERMITTED, capability) != 0;
}

Error failed(std::string_view what) {
  const int error = errno != 0 ? errno : EPERM;
  const std::error_code code(error, std::generic_category());
  return fail(code, fmt::format("cannot give up privileges: {}: {}", what, code.message()));
}

// A sandbox may refuse even to give up (capset is of systemd's @privileged).
bool has_more_than(const Capabilities& keep) {
  for (unsigned capability = 0; capability <= CAP_LAST_CAP; ++capability) {
    if (has(capability) && std::find(keep.begin(), keep.end(), capability) == keep.end())
      return true;
  }
  return false;
}

// Sets nothing that this process may not set: in a container even root has not everything.
Result<void> become(const Identity& identity) {
  errno = 0;
  if (capng_get_caps_process() != 0) return failed("capabilities");
  const bool may_change = has(CAP_SETUID) && has(CAP_SETGID);
  const bool bounds = has(CAP_SETPCAP);
  if (identity.user != ::geteuid() && !may_change) return failed("no CAP_SETUID and CAP_SETGID");
  Capabilities keep = identity.keep;
  std::erase_if(keep, [](unsigned capability) { return !has(capability); });
  const bool more = has_more_than(keep);
  capng_clear(CAPNG_SELECT_CAPS);
  for (const unsigned capability : keep)
    capng_update(CAPNG_ADD, static_cast<capng_type_t>(CAPNG_EFFECTIVE | CAPNG_PERMITTED),
                 capability);
  const int dumpable = ::prctl(PR_GET_DUMPABLE);
  if (may_change) {
    // The groups that the user is in, as systemd gives them: keys are often for one of these.
    const auto groups = identity.user != 0 ? CAPNG_INIT_SUPP_GRP : CAPNG_DROP_SUPP_GRP;
    const auto flags =
        static_cast<capng_flags_t>(groups | (bounds ? CAPNG_CLEAR_BOUNDING : CAPNG_NO_FLAG));
    if (capng_change_id(static_cast<int>(identity.user), static_cast<int>(identity.group), flags) !=
        0) {
      return failed("user and group");
    }
  } else if (more && capng_apply(CAPNG_SELECT_CAPS) != 0) {
    return failed("capabilities");
  }
  if (::prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0) return failed("no_new_privs");
  // Core dumps and debuggers of that user work as if it had started us.
  if (dumpable == 1) ::prctl(PR_SET_DUMPABLE, 1, 0, 0, 0);
  return {};
}

bool is_forbidden(const std::string& file, int mode) {
  const Descriptor opened(::open(file.c_str(), mode | O_NONBLOCK | O_CLOEXEC));
  return !opened && (errno == EACCES || errno == EPERM);
}

// Why it is not enough to be that; empty: it is. A child tries it out: rights of folders, access
// lists and security modules then count as they will.
std::string objection(const Identity& identity, const Needs& needs) {
  constexpr int refused = 255;
  std::vector<std::pair<std::string, int>> files;
  for (const auto& file : needs.reads)
    files.emplace_back(file, O_RDONLY);
  for (const auto& file : needs.writes)
    files.emplace_back(file, O_RDWR);
  files.resize(std::min<std::size_t>(files.size(), refused - 1));
  const pid_t child = ::fork();
  if (child == 0) {
    if (!become(identity)) ::_exit(refused);
    for (std::size_t i = 0; i < files.size(); ++i) {
      if (is_forbidden(files[i].first, files[i].second)) ::_exit(static_cast<int>(i) + 1);
    }
    ::_exit(0);
  }
  int status = 0;
  while (child > 0 && ::waitpid(child, &status, 0) < 0 && errno == EINTR) {
  }
  if (child < 0 || !WIFEXITED(status) || WEXITSTATUS(status) == refused) return "cannot be reached";
  if (WEXITSTATUS(status) == 0) return "";
  return fmt::format("cannot open {}",
                     files[static_cast<std::size_t>(WEXITSTATUS(status)) - 1].first);
}

// Only a folder, or a socket that was not put there by a hard link. If it fails, only root can
// connect.
void give(const std::string& path, const Identity& identity) {
  const Descriptor ours(::open(path.c_str(), O_PATH | O_NOFOLLOW | O_CLOEXEC));
  struct stat found {};
  if (!ours || ::fstat(ours.get(), &found) != 0) return;
  if (S_ISDIR(found.st_mode) || (S_ISSOCK(found.st_mode) && found.st_nlink == 1)) {
    [[maybe_unused]] const int given =
        ::fchownat(ours.get(), "", identity.user, identity.group, AT_EMPTY_PATH);
  }
}

std::string names_of(const Capabilities& capabilities) {
  std::vector<std::string> names;
  for (const unsigned capability : capabilities)
    names.push_back("CAP_" + ascii::upper_case(capng_capability_to_name(capability)));
  return fmt::format("{}", fmt::join(names, " and "));
}

Result<std::string> stay_root(const Needs& needs, const std::string& why) {
  Identity root{0, 0, capabilities_of(needs)};
  for (const unsigned capability : {unsigned{CAP_DAC_READ_SEARCH}, unsigned{CAP_DAC_OVERRIDE}}) {
    if (objection(root, needs).empty()) break;
    root.keep = capabilities_of(needs);
    root.keep.push_back(capability);
  }
  if (const auto became = become(root); !became) return fail(became.error());
  return fmt::format("{}: staying root, {}", why,
                     root.keep.empty() ? "without any capability"
                                       : "with no capability but " + names_of(root.keep));
}

}  // namespace

Result<std::string> drop_privileges(const Needs& needs) {
  if (::geteuid() != 0) {
    const auto became = become({::geteuid(), ::getegid(), capabilities_of(needs)});
    if (!became) return fail(became.error());
    return std::string();
  }
  const passwd* entry = ::getpwnam(needs.user.c_str());
  if (entry == nullptr) return stay_root(needs, fmt::format("there is no user {}", needs.user));
  const Identity user{entry->pw_uid, entry->pw_gid, capabilities_of(needs)};
  if (const auto why = objection(user, needs); !why.empty())
    return stay_root(needs, fmt::format("user {} {}", needs.user, why));
  for (const auto& path : needs.gives)
    give(path, user);
  if (const auto became = become(user); !became) return fail(became.error());
  return std::string();
}

}  // namespace saspd::cli
