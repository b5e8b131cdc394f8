// SPDX-License-Identifier: Apache-2.0
// A program whose options can be replaced while it runs: by those that the same command line and
// the present config file give.
#pragma once

#include <functional>
#include <optional>
#include <utility>
#include <variant>

#include "controller/host/host.hpp"

namespace saspd::host {

template <class Options>
class Configured : public Program {
 public:
  // Reads them as at the start; what is wrong is added to the errors.
  using ReadOptions = std::function<std::variant<Options, ExitCode>(cli::Errors&)>;

  // `options` outlive the program, and are the host's too.
  Configured(Host& host, Options& options, ReadOptions read)
      : Program(host), options_(options), read_(std::move(read)) {}

 protected:
  // Before anything is different: what of `next` cannot be taken over is added to the errors. What
  // it makes for `next` is put away by take_over() or give_up().
  virtual void prepare(const Options& /*next*/, cli::Errors& /*errors*/) {}
  virtual void give_up() {}
  // options() are the next ones now.
  virtual void take_over(const Options& /*before*/) {}

  const Options& options() const { return options_; }

 private:
  const cli::CommonOptions* read_options(cli::Errors& errors) final {
    auto read = read_(errors);
    auto* next = std::get_if<Options>(&read);
    if (next == nullptr || !errors.empty()) return nullptr;
    next_ = std::move(*next);
    return &*next_;
  }
  void prepare_options(cli::Errors& errors) final { prepare(*next_, errors); }
  void drop_options() final {
    give_up();
    next_.reset();
  }
  void use_options() final {
    const Options before = std::exchange(options_, std::move(*next_));
    next_.reset();
    take_over(before);
  }

  Options& options_;
  const ReadOptions read_;
  std::optional<Options> next_;  // while they are checked
};

}  // namespace saspd::host
