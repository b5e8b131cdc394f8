// SPDX-License-Identifier: Apache-2.0
// SIGHUP and saspctl reload: everything is checked before anything is taken over.
#include <utility>

#include <fmt/format.h>
#include <fmt/ranges.h>

#include "controller/host/host.hpp"
#include "controller/host/parts.hpp"
#include "controller/report/control_protocol.hpp"
#include "controller/report/json.hpp"
#include "controller/report/reload.hpp"

namespace saspd::host {

namespace {

report::ChangedKey as_answer(const cli::Change& change) {
  return {change.key, change.is_list, change.removed, change.added, change.reordered};
}

std::string keys_of(const std::vector<cli::Change>& changes, std::string_view prefix) {
  std::vector<std::string> keys;
  for (const auto& change : changes) {
    if (change.key.starts_with(prefix)) keys.push_back(change.key);
  }
  return fmt::format("{}", fmt::join(keys, ", "));
}

}  // namespace

std::vector<cli::Change> Host::check_reload(const cli::CommonOptions& next,
                                            cli::Errors& errors) const {
  auto changes = cli::difference(options_.settings, next.settings);
  const auto needs_restart = [&errors](const std::string& keys) {
    if (!keys.empty()) errors.push_back("needs a restart: " + keys);
  };
  needs_restart(cli::needing_restart(changes));
  // Each connection was made with it or without it.
  if (next.tls.used() != options_.tls.used()) {
    needs_restart(keys_of(changes, "tls-"));
  } else if (next.tls != options_.tls) {
    const auto loaded = net::check_tls_files(next.tls, about_.tls_role);
    if (!loaded) errors.push_back(loaded.error().detail);
  }
  return changes;
}

// Those that are read again whenever they change; now, and what is wrong with them counts here too.
void Host::read_files_again(cli::Errors& errors) {
  if (parts_->tls) {
    parts_->tls->reload();
    if (!parts_->tls->error().empty()) errors.push_back(parts_->tls->error());
  }
  program_->read_files_again(errors);
}

void Host::use_options(const cli::CommonOptions& next) {
  if (parts_->tls && next.tls != options_.tls) parts_->tls->use(next.tls);
  program_->use_options();
  log_.set_level(options_.log.level);
}

report::Reload Host::reload(std::string_view asked_by, bool dry_run) {
  if (!dry_run) {
    log_.info("{}: {}", asked_by,
              options_.config.empty()
                  ? fmt::format("files are read again, flags are not; restart {} for new flags",
                                about_.name)
                  : fmt::format("{} and other files are read again", options_.config));
  }
  report::Reload done;
  done.program = about_.name;
  done.dry_run = dry_run;
  done.config = report::unless_empty(options_.config);
  const auto* next = program_->read_options(done.errors);
  std::vector<cli::Change> changes;
  if (next != nullptr) {
    changes = check_reload(*next, done.errors);
    for (const auto& change : changes)
      done.changes.push_back(as_answer(change));
    program_->prepare_options(done.errors);
    if (done.errors.empty() && !dry_run) read_files_again(done.errors);
  }
  if (done.errors.empty() && !dry_run && !changes.empty()) {
    use_options(*next);
  } else {
    program_->drop_options();
  }
  if (!dry_run) tell(changes, done.errors);
  return done;
}

void Host::tell(const std::vector<cli::Change>& changes, const cli::Errors& errors) {
  for (const auto& error : errors)
    log_.error("reload refused: {}", error);
  reload_error_ = errors.empty()
                      ? std::string()
                      : fmt::format("the last reload was refused: {}", fmt::join(errors, "; "));
  if (!errors.empty()) return;
  reloaded_ = std::chrono::system_clock::now();
  for (const auto& change : changes) {
    for (const auto& line : change.lines())
      log_.info("reload: {}", line);
  }
}

void Host::hung_up() {
  parts_->notifier.reloading();
  reload("SIGHUP", false);
  if (ready_) parts_->notifier.ready();
}

boost::json::object Host::answer(const boost::json::object& request, const net::ControlPeer& peer) {
  if (report::text_of(request, "command") != "reload") return program_->answer(request, peer);
  if (!peer.may_write) return report::control_forbidden("reload");
  const auto* dry_run = request.if_contains("dry_run");
  const auto by = fmt::format("reload, asked by uid {} (pid {})", peer.uid, peer.pid);
  return report::to_json(reload(by, dry_run != nullptr && *dry_run == true));
}

}  // namespace saspd::host
