// SPDX-License-Identifier: Apache-2.0

#include "controller/programs/sasp_gwm/state_keeper.hpp"

#include <algorithm>
#include <ctime>
#include <utility>

#include <fmt/format.h>

namespace saspd::programs {

using namespace gwm;
using namespace std::chrono_literals;

namespace {

// What belongs together is written together.
constexpr auto coalesce = 100ms;
// The least time between two writes: of what peers and the operator have ordered; of what the probes
// have learned, which they learn again; after a failure.
constexpr auto orders_rest = 1s;
constexpr auto readings_rest = 10s;
constexpr auto failure_rest = 10s;
// And so many times as long as a write takes: a big farm is written less often.
constexpr int write_rest = 20;

std::int64_t unix_time() {
  return static_cast<std::int64_t>(std::time(nullptr));
}

std::optional<KeptFile> file_at(std::string path) {
  if (path.empty()) return std::nullopt;
  return std::optional<KeptFile>(
      std::in_place, std::move(path),
      KeptFile::About{"state", "sasp-gwm", "--state", std::size_t{1} << 30});
}

}  // namespace

StateKeeper::StateKeeper(boost::asio::io_context& io, std::string path,
                         const WorkloadManager& manager, cli::Log& log)
    : manager_(manager), log_(log), file_(file_at(std::move(path))), timer_(io) {}

Result<State> StateKeeper::parse() const {
  const auto text = file_->read();
  return text ? parse_state(*text) : fail(text.error());
}

std::optional<State> StateKeeper::load() {
  if (!file_) return std::nullopt;
  loaded_ = true;
  made_folder_ = KeptFile::make_folder(file_->path());
  if (const auto locked = file_->lock(); !locked) {
    set_error(locked.error().detail);
    if (file_->of_another()) return std::nullopt;
  }
  auto state = parse();
  if (state) return std::move(*state);
  if (state.error().code != std::errc::no_such_file_or_directory)
    log_.warning("{}", file_->put_aside(state.error()));
  return std::nullopt;
}

void StateKeeper::look() {
  if (!file_) return;
  const auto state = parse();
  if (!state && state.error().code != std::errc::no_such_file_or_directory)
    log_.warning("{}", file_->not_used(state.error()));
}

void StateKeeper::changed() {
  if (!loaded_ || file_->of_another() || revision() == kept_) return;
  const TimePoint due = std::max(Clock::now() + coalesce, rests_from_ + rest());
  if (awaited_ && *awaited_ <= due) return;
  awaited_ = due;
  timer_.call_at(due, [this] { keep(); });
}

Duration StateKeeper::rest() const {
  if (!error_.empty()) return failure_rest;
  const bool ordered = revision().orders != kept_.orders;
  return std::max<Duration>(ordered ? Duration{orders_rest} : Duration{readings_rest},
                            write_rest * took_);
}

bool StateKeeper::keep() {
  awaited_.reset();
  timer_.cancel();
  if (!loaded_ || file_->of_another()) return false;
  const Revision revision = this->revision();
  if (revision == kept_ && error_.empty()) return true;
  const TimePoint began = Clock::now();
  auto done = file_->lock();
  if (done) done = file_->write(manager_.state_text(began, unix_time()));
  rests_from_ = Clock::now();
  took_ = rests_from_ - began;
  if (done) kept_ = revision;
  set_error(done ? std::string() : done.error().detail);
  changed();  // tries again
  return done.has_value();
}

// Once per reason.
void StateKeeper::set_error(std::string error) {
  if (error == error_) return;
  error_ = std::move(error);
  if (error_.empty()) {
    log_.info("the state is kept again in {}", file_->path());
  } else {
    log_.error("the state is not kept: {}; after a restart, less is known", error_);
  }
}

}  // namespace saspd::programs
