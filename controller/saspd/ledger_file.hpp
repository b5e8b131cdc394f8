// SPDX-License-Identifier: Apache-2.0
// The ledger on disk.
#pragma once

#include <string>
#include <vector>

#include "controller/base/kept_file.hpp"
#include "controller/saspd/ledger.hpp"

namespace saspd::director {

// Identifies the table that this process sees.
LedgerPlace ledger_place(std::string backend);

class LedgerFile : public LedgerKeeper {
 public:
  LedgerFile(std::string path, LedgerPlace place);

  // What is on disk. A file that is not ours (owned by another user than root and us, or that
  // others may write), damaged, of another version or about another table is not believed: a blind
  // ledger is returned, and the reason added to `warnings`. One that is damaged or of another
  // version is put aside, for who can make something of it.
  Ledger load(std::vector<std::string>& warnings);
  // The same for a dry run: nothing is put aside, and the file is left to a saspd that writes it.
  Ledger look(std::vector<std::string>& warnings) const;
  // An old text that cannot be replaced is spoiled: a start then finds it unclear whose the zeros are,
  // and raises none of another program's.
  bool keep(const Ledger& ledger) override;
  const std::string& error() const override { return error_; }

 private:
  Result<Ledger> parse() const;

  KeptFile file_;
  LedgerPlace place_;
  std::string error_;
};

}  // namespace saspd::director
