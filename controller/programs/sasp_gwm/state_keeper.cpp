// SPDX-License-Identifier: Apache-2.0

#include "controller/programs/sasp_gwm/state_keeper.hpp"

#include <algorithm>
#include <memory>
#include <new>
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
// And this many times as long as a write takes: a big farm is written less often.
constexpr int write_rest = 20;

std::optional<KeptFile> file_at(std::string path) {
  if (path.empty()) return std::nullopt;
  return std::optional<KeptFile>(
      std::in_place, std::move(path),
      KeptFile::About{"state", "sasp-gwm", "--state", std::size_t{1} << 30});
}

}  // namespace

StateKeeper::StateKeeper(boost::asio::io_context& io, std::string path,
                         const WorkloadManager& manager, cli::Log& log)
    : manager_(manager), log_(log), file_(file_at(std::move(path))), timer_(io), aside_(io) {}

Result<State> StateKeeper::parse() const {
  return file_->read(parse_state);
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
  if (!may_write() || aside_.is_busy() || revision() == kept_) return;
  const TimePoint due = std::max(Clock::now() + coalesce, rests_from_ + rest());
  if (awaited_ && *awaited_ <= due) return;
  awaited_ = due;
  timer_.call_at(due, [this] { keep_aside(); });
}

Duration StateKeeper::rest() const {
  if (!error_.empty()) return failure_rest;
  const bool ordered = revision().orders != kept_.orders;
  return std::max<Duration>(ordered ? Duration{orders_rest} : Duration{readings_rest},
                            write_rest * took_);
}

// What there is to be written is copied, which takes a tenth of the time and less.
void StateKeeper::keep_aside() {
  awaited_.reset();
  if (!may_write()) return;
  const auto attempt = std::make_shared<Attempt>(this->attempt());
  if (!attempt->done) return ended(*attempt);
  const auto state = std::make_shared<const State>(manager_.state(attempt->began, unix_time()));
  const auto write = [&file = *file_, attempt, state] {
    try {
      attempt->done = file.write(state_text(*state));
    } catch (const std::bad_alloc&) {
      attempt->done = fail(std::errc::not_enough_memory, "out of memory");
    }
  };
  aside_.start(write, [this, attempt] { ended(*attempt); });
}

bool StateKeeper::keep() {
  aside_.finish();
  awaited_.reset();
  timer_.cancel();
  if (!may_write()) return false;
  if (revision() == kept_ && error_.empty()) return true;
  Attempt attempt = this->attempt();
  if (attempt.done)
    attempt.done = file_->write(state_text(manager_.state(attempt.began, unix_time())));
  ended(attempt);
  return attempt.done.has_value();
}

// The file is ours before.
StateKeeper::Attempt StateKeeper::attempt() {
  return {Clock::now(), revision(), file_->lock()};
}

void StateKeeper::ended(const Attempt& attempt) {
  rests_from_ = Clock::now();
  took_ = rests_from_ - attempt.began;
  if (attempt.done) kept_ = attempt.revision;
  set_error(attempt.done ? std::string() : attempt.done.error().detail);
  changed();  // tries again
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
