// SPDX-License-Identifier: Apache-2.0
// A file in which a program keeps a text for its next life. The text is written aside, synchronised
// and renamed, so that there is always a whole one, and only one process writes it.
#pragma once

#include <string>
#include <string_view>

#include "controller/base/descriptor.hpp"
#include "controller/base/error.hpp"

namespace saspd {

class KeptFile {
 public:
  struct About {
    std::string_view noun;     // "ledger"
    std::string_view program;  // "saspd"
    std::string_view flag;     // "--ledger"
    std::size_t max_size = std::size_t{64} << 20;
  };
  KeptFile(std::string path, About about) : path_(std::move(path)), about_(about) {}

  // Creates the folder if there is none. Returns its path if it did, else empty.
  static std::string make_folder(const std::string& path);

  // Until the end of the process. An error is tried again by the next call, but for
  // device_or_resource_busy: the file is in use by another process, and must not be touched.
  Result<void> lock();
  bool of_another() const { return of_another_; }

  // Errors: no_such_file_or_directory; operation_not_permitted if users other than root and us may
  // have written it.
  Result<std::string> read() const;
  // The same through `parse`, which makes a Result of the text.
  template <class Parse>
  auto read(Parse parse) const -> decltype(parse(std::string_view())) {
    const auto text = read();
    if (!text) return fail(text.error());
    return parse(*text);
  }
  Result<void> write(std::string_view text) const;
  // What it holds is not true any more: it is damaged from now on. A full disk takes that, too.
  void spoil() const;

  // Why what was read is not used. It is put aside if it is damaged or of another version
  // (unsealed()), for who can make something of it.
  std::string not_used(const Error& why) const;
  std::string put_aside(const Error& why) const;

  const std::string& path() const { return path_; }
  std::string lock_path() const { return path_ + ".lock"; }

 private:
  std::string path_;
  About about_;
  Descriptor lock_;
  bool of_another_ = false;
};

}  // namespace saspd
