// SPDX-License-Identifier: Apache-2.0

#include "controller/programs/saspd/program.hpp"

#include <utility>

#include <fmt/format.h>

#include "controller/base/version.hpp"
#include "controller/net/link.hpp"
#include "controller/saspd/controller_settings.hpp"

namespace saspd::programs {

using namespace director;
namespace json = boost::json;

namespace {

report::Event once(report::EventKind kind, std::string text) {
  report::Event event;
  event.kind = kind;
  event.text = std::move(text);
  return event;
}

}  // namespace

Saspd::Saspd(host::Host& host, Options& options, ReadOptions read_again,
             lb::ObservedDataplane& plane, cli::Needs needs, cli::Log& log)
    : Configured(host, options, std::move(read_again)),
      log_(log),
      limited_log_(log),
      plane_(plane),
      needs_(std::move(needs)),
      controller_(plane, controller_settings(options, net::random_seed()), Clock::now()),
      links_(host.io(), controller_, [this] { settle(); }),
      decision_timer_(host.io()),
      reconcile_timer_(host.io()) {
  if (!options.xdp.attach_request.empty() && options.backend->is_attached && !options.dry_run)
    attach_request_.emplace(options.xdp.attach_request);
}

host::Refused Saspd::start() {
  open_history();
  open_ledger();
  open_overrides();
  // What is read there is lost to others: in a dry run it is left to the saspd that writes.
  if (!options().keepalived_fifo.empty() && !options().dry_run) {
    keepalived_.emplace(options().keepalived_fifo);
  }
  controller_.note(once(report::EventKind::started,
                        fmt::format("saspd {} as '{}', {} group(s){}", program_version,
                                    options().spoken_uid(), options().groups.size(),
                                    options().dry_run ? ", dry run: nothing is written" : "")));
  settle();
  start_links();
  controller_.look_for_problems();
  ask_to_attach();
  work();  // the first listing shows the GWM which members there are
  reconcile_later();
  wait_for_plane();
  return std::nullopt;
}

// In a dry run another saspd may write it.
void Saspd::open_history() {
  controller_.set_time(Clock::now(), std::chrono::system_clock::now());
  if (options().history.empty() || options().dry_run) return;
  history_.emplace(options().history, "saspd", "--history");
  controller_.remember_events(history_->load());
  if (!history_->error().empty())
    log_.info("what happens is kept in memory only: {}", history_->error());
}

// What was in force goes on, unless its time is up. What cannot be read is put aside, and not in
// force: the operator is warned.
void Saspd::open_overrides() {
  if (options().overrides.empty() || options().dry_run) return;
  overrides_.emplace(options().overrides,
                     KeptFile::About{"overrides file", "saspd", "--overrides"});
  if (const auto locked = overrides_->lock(); !locked) {
    controller_.overrides_kept(locked.error().detail);
    if (overrides_->of_another()) return overrides_.reset();
  } else {
    controller_.overrides_kept({});
  }
  auto overrides = overrides_->read([](std::string_view text) {
    return Overrides::parse(text, Clock::now(), std::chrono::system_clock::now());
  });
  if (overrides) return controller_.remember_overrides(std::move(*overrides));
  if (overrides.error().code != std::errc::no_such_file_or_directory)
    log_.warning("{}", overrides_->put_aside(overrides.error()));
}

// At once, so that no answer promises more than a restart keeps.
void Saspd::keep_overrides() {
  if (!overrides_) return;
  auto done = overrides_->lock();
  if (done) done = overrides_->write(controller_.overrides().text());
  controller_.overrides_kept(done ? std::string() : done.error().detail);
  if (!done) log_.warning("overrides are kept in memory only: {}", done.error().detail);
}

// In a dry run the ledger is read, and never written.
void Saspd::open_ledger() {
  if (options().ledger.empty()) return;
  ledger_.emplace(options().ledger, ledger_place(std::string(options().backend->name)));
  std::vector<std::string> warnings;
  Ledger known = options().dry_run ? ledger_->look(warnings) : ledger_->load(warnings);
  controller_.remember(std::move(known), *ledger_, warnings);
  settle();
}

// Before each decision, so that it knows what keepalived has said by then.
void Saspd::hear_keepalived() {
  if (!keepalived_) return;
  const auto news = keepalived_->read();
  controller_.keepalived_says(news, keepalived_->error());
  if (keepalived_->generation() != keepalived_waited_for_) wait_for_keepalived();
}

void Saspd::wait_for_keepalived() {
  keepalived_waited_for_ = keepalived_->generation();
  keepalived_events_.reset();
  if (keepalived_->descriptor() < 0) return;
  keepalived_events_.emplace(host_.io(), keepalived_->descriptor(), [this] { work(); });
}

void Saspd::start_links() {
  for (const auto& gwm : options().gwms)
    links_.add(link_to(gwm));
  links_.start();
}

net::LinkSettings Saspd::link_to(const cli::HostPort& gwm) const {
  net::LinkSettings settings;
  settings.host = gwm.host;
  settings.port = gwm.port;
  settings.tls = host_.tls();
  return settings;
}

void Saspd::take_over(const Options& before) {
  for (const auto& doubt : doubts(options()))
    log_.warning("{}", doubt);
  settle();
  controller_.reconfigure(controller_settings(options(), net::random_seed()), Clock::now());
  links_.renumber(Renumbering(before.gwms, options().gwms),
                  [this](std::size_t gwm) { return link_to(options().gwms[gwm]); });
  settle();
  reconcile_later();
}

// What lasts is as it is now, and not as it was at the last pass.
void Saspd::look_around() {
  const auto now = Clock::now();
  controller_.set_time(now, std::chrono::system_clock::now());
  controller_.look_around(
      {host_.tls_error(), host_.reload_error(), attach_request_ ? attach_request_->text() : ""},
      now);
  settle();
}

std::optional<report::Health> Saspd::health() {
  look_around();
  return controller_.journal().health();
}

ExitCode Saspd::outcome() {
  controller_.set_time(Clock::now(), std::chrono::system_clock::now());
  auto event = once(report::EventKind::stopped, "saspd stopped; the weights stay as they are");
  event.level = report::EventLevel::debug;  // the host says so
  controller_.note(std::move(event));
  settle();
  return ExitCode::ok;
}

metrics::Families Saspd::metrics(TimePoint now) {
  look_around();
  return metric_families(full_status(controller_, surroundings(), now), counters_,
                         options().metrics_members, now, std::chrono::system_clock::now());
}

void Saspd::reconcile_later() {
  reconcile_timer_.call_after(options().reconcile_interval, [this] {
    counters_.loop_lag = Clock::now() - reconcile_timer_.expiry();
    controller_.look_again();
    ask_to_attach();
    work();
    look_around();
    reconcile_later();
  });
}

void Saspd::wait_for_plane() {
  if (plane_.event_descriptor() < 0) return;
  plane_events_.emplace(host_.io(), plane_.event_descriptor(), [this] {
    controller_.set_time(Clock::now(), std::chrono::system_clock::now());
    controller_.take_up_events();
    ask_to_attach();
  });
}

// One chunk at a time, with the sockets served in between.
void Saspd::work_soon() {
  if (std::exchange(work_posted_, true)) return;
  net::post(host_.io(), [this] {
    work_posted_ = false;
    work();
  });
}

Work Saspd::work() {
  const auto start = Clock::now();
  hear_keepalived();
  Work done = controller_.work(start, std::chrono::system_clock::now());
  if (!options().dry_run) counters_.count(done, Clock::now() - start);
  decide_in_time();
  settle();
  return done;
}

// What follows from the passing of time does not wait for the next look at the kernel.
void Saspd::decide_in_time() {
  decision_timer_.cancel();
  if (const auto next = controller_.next_decision())
    decision_timer_.call_at(*next, [this] { work(); });
}

// What the controller wants done. Called after each event or question.
void Saspd::settle() {
  auto output = controller_.output();
  if (const auto events = controller_.take_events(); history_) history_->append(events);
  for (const auto& line : output.log)
    limited_log_.line(line);
  limited_log_.settle();
  if (output.overrides) keep_overrides();
  for (auto& [gwm, step] : output.links)
    links_.perform(gwm, std::move(step));
  for (const std::size_t gwm : output.retries)
    links_.retry(gwm);
  if (output.work) work_soon();
}

void Saspd::ask_to_attach() {
  settle();  // the problems are logged first
  if (!attach_request_) return;
  const auto news = attach_request_->look(controller_.problems(), Clock::now());
  if (!news) return;
  if (news->warning) return log_.warning("{}", news->text);
  log_.info("{}", news->text);
}

Surroundings Saspd::surroundings() {
  Surroundings around;
  around.tls_error = host_.tls_error();
  around.config_error = host_.reload_error();
  if (attach_request_) {
    around.attach_request = attach_request_->text();
    around.attach_requests = attach_request_->asked();
  }
  around.work = [this] {
    ask_to_attach();
    return work();
  };
  return around;
}

json::object Saspd::answer(const json::object& request, const net::ControlPeer& peer) {
  look_around();
  const Asker asker{peer.may_write, fmt::format("uid {} (pid {})", peer.uid, peer.pid)};
  auto answer = carry_out(request, asker, controller_, surroundings(), Clock::now());
  settle();
  return answer;
}

}  // namespace saspd::programs
