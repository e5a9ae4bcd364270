// A SQLite VFS over the machine's own that fails the Nth operation, or remembers what a power cut would
// leave.
#pragma once

#include <sqlite3.h>

#include <functional>
#include <map>
#include <string>
#include <vector>

#include "base/random.h"

namespace tsukai {

// Register one, open a database with DatabaseOptions{.vfs = vfs.name()}, close it, then destroy the VFS. One
// thread.
class FaultVfs {
 public:
  // What lies on the disk after a power cut: file name without folder -> bytes.
  using Image = std::map<std::string, std::string>;

  FaultVfs() : name_("fault-" + random_id(8)), real_(sqlite3_vfs_find(nullptr)) {
    vfs_ = *real_;
    vfs_.zName = name_.c_str();
    vfs_.pNext = nullptr;
    vfs_.pAppData = this;
    vfs_.szOsFile = static_cast<int>(sizeof(File)) + real_->szOsFile;
    vfs_.xOpen = open;
    vfs_.xDelete = remove;
    sqlite3_vfs_register(&vfs_, 0);
  }
  ~FaultVfs() { sqlite3_vfs_unregister(&vfs_); }
  FaultVfs(const FaultVfs&) = delete;
  FaultVfs& operator=(const FaultVfs&) = delete;

  const std::string& name() const { return name_; }

  // The `n`th write, truncation or sync from now on fails with `code` (from 1; 0: none); all later ones too
  // when `lasting`.
  void fail_at(int n, int code, bool lasting) {
    fail_at_ = n == 0 ? 0 : operations_ + n;
    code_ = code;
    lasting_ = lasting;
    failed_ = false;
  }
  bool failed() const { return failed_; }

  // Called after every write, truncation and sync: a moment at which the power may go.
  void on_operation(std::function<void()> hook) { hook_ = std::move(hook); }
  // Sectors of 512 bytes written since a file's last sync are kept or lost by chance; unwritten space reads
  // as zeros.
  Image power_cut(Random& random) const {
    Image image;
    for (const auto& [path, disk] : disks_) {
      if (!disk.exists_durably && random.below(2) == 0) continue;
      std::string bytes = disk.durable;
      for (const auto& change : disk.pending) {
        if (change.truncation) {
          if (random.below(2) == 0) bytes.resize(change.at);
          continue;
        }
        for (std::size_t from = 0; from < change.bytes.size(); from += 512) {
          if (random.below(2) == 0) continue;
          apply(bytes, change.at + from, change.bytes.substr(from, 512));
        }
      }
      image[path.substr(path.rfind('/') + 1)] = std::move(bytes);
    }
    return image;
  }

 private:
  struct Change {
    bool truncation;
    std::size_t at;
    std::string bytes;
  };
  struct Disk {
    std::string durable;          // As of the last sync.
    std::vector<Change> pending;  // Since.
    bool exists_durably = false;
  };
  struct File {
    sqlite3_file base;
    FaultVfs* vfs;
    Disk* disk;  // Null: not watched (shared memory, temporary files).
    sqlite3_file* real;
  };

  static File& of(sqlite3_file* file) { return *reinterpret_cast<File*>(file); }
  static sqlite3_file* real(sqlite3_file* file) { return of(file).real; }
  static void apply(std::string& bytes, std::size_t at, const std::string& change) {
    if (bytes.size() < at + change.size()) bytes.resize(at + change.size());
    bytes.replace(at, change.size(), change);
  }

  // The error to give, or SQLITE_OK.
  int next_operation() {
    ++operations_;
    if (fail_at_ == 0 || operations_ < fail_at_ || (operations_ > fail_at_ && !lasting_)) return SQLITE_OK;
    failed_ = true;
    return code_;
  }
  void done() {
    if (hook_) hook_();
  }

  static int open(sqlite3_vfs* vfs, const char* path, sqlite3_file* file, int flags, int* out) {
    auto* self = static_cast<FaultVfs*>(vfs->pAppData);
    File& mine = of(file);
    mine.vfs = self;
    mine.disk = nullptr;
    mine.real = reinterpret_cast<sqlite3_file*>(&mine + 1);
    const int code = self->real_->xOpen(self->real_, path, mine.real, flags, out);
    file->pMethods = mine.real->pMethods != nullptr ? methods() : nullptr;
    if (code == SQLITE_OK && path != nullptr && (flags & (SQLITE_OPEN_MAIN_DB | SQLITE_OPEN_WAL)) != 0) {
      const bool known = self->disks_.contains(path);
      mine.disk = &self->disks_[path];
      if (!known) self->load(mine);
    }
    return code;
  }
  // A file that was there before counts as durable.
  void load(File& file) {
    sqlite3_int64 size = 0;
    if (file.real->pMethods->xFileSize(file.real, &size) != SQLITE_OK || size == 0) return;
    file.disk->durable.resize(static_cast<std::size_t>(size));
    file.real->pMethods->xRead(file.real, file.disk->durable.data(), static_cast<int>(size), 0);
    file.disk->exists_durably = true;
  }
  static int remove(sqlite3_vfs* vfs, const char* path, int sync) {
    auto* self = static_cast<FaultVfs*>(vfs->pAppData);
    self->disks_.erase(path);
    return self->real_->xDelete(self->real_, path, sync);
  }

  static const sqlite3_io_methods* methods() {
    static const sqlite3_io_methods table = [] {
      sqlite3_io_methods m = {};
      m.iVersion = 2;  // With shared memory, without memory mapping.
      m.xClose = [](sqlite3_file* f) { return real(f)->pMethods->xClose(real(f)); };
      m.xRead = [](sqlite3_file* f, void* to, int n, sqlite3_int64 at) {
        return real(f)->pMethods->xRead(real(f), to, n, at);
      };
      m.xWrite = write;
      m.xTruncate = truncate;
      m.xSync = sync;
      m.xFileSize = [](sqlite3_file* f, sqlite3_int64* size) {
        return real(f)->pMethods->xFileSize(real(f), size);
      };
      m.xLock = [](sqlite3_file* f, int lock) { return real(f)->pMethods->xLock(real(f), lock); };
      m.xUnlock = [](sqlite3_file* f, int lock) { return real(f)->pMethods->xUnlock(real(f), lock); };
      m.xCheckReservedLock = [](sqlite3_file* f, int* out) {
        return real(f)->pMethods->xCheckReservedLock(real(f), out);
      };
      m.xFileControl = [](sqlite3_file* f, int op, void* arg) {
        return real(f)->pMethods->xFileControl(real(f), op, arg);
      };
      m.xSectorSize = [](sqlite3_file*) { return 512; };
      m.xDeviceCharacteristics = [](sqlite3_file*) { return 0; };  // Promises nothing: writes may tear.
      m.xShmMap = [](sqlite3_file* f, int page, int size, int extend, void volatile** out) {
        return real(f)->pMethods->xShmMap(real(f), page, size, extend, out);
      };
      m.xShmLock = [](sqlite3_file* f, int at, int n, int flags) {
        return real(f)->pMethods->xShmLock(real(f), at, n, flags);
      };
      m.xShmBarrier = [](sqlite3_file* f) { real(f)->pMethods->xShmBarrier(real(f)); };
      m.xShmUnmap = [](sqlite3_file* f, int gone) { return real(f)->pMethods->xShmUnmap(real(f), gone); };
      return m;
    }();
    return &table;
  }
  static int write(sqlite3_file* f, const void* bytes, int n, sqlite3_int64 at) {
    File& file = of(f);
    if (const int code = file.vfs->next_operation(); code != SQLITE_OK)
      return code == SQLITE_IOERR ? SQLITE_IOERR_WRITE : code;
    const int code = real(f)->pMethods->xWrite(real(f), bytes, n, at);
    if (code == SQLITE_OK && file.disk != nullptr) {
      file.disk->pending.push_back(
          {false, static_cast<std::size_t>(at),
           std::string(static_cast<const char*>(bytes), static_cast<std::size_t>(n))});
    }
    file.vfs->done();
    return code;
  }
  static int truncate(sqlite3_file* f, sqlite3_int64 size) {
    File& file = of(f);
    if (const int code = file.vfs->next_operation(); code != SQLITE_OK)
      return code == SQLITE_IOERR ? SQLITE_IOERR_TRUNCATE : code;
    const int code = real(f)->pMethods->xTruncate(real(f), size);
    if (code == SQLITE_OK && file.disk != nullptr)
      file.disk->pending.push_back({true, static_cast<std::size_t>(size), {}});
    file.vfs->done();
    return code;
  }
  // Counted and modelled, never asked of the real disk: the process itself does not crash here.
  static int sync(sqlite3_file* f, int) {
    File& file = of(f);
    if (const int code = file.vfs->next_operation(); code != SQLITE_OK)
      return code == SQLITE_IOERR ? SQLITE_IOERR_FSYNC : code;
    if (file.disk != nullptr) {
      for (const auto& change : file.disk->pending) {
        if (change.truncation)
          file.disk->durable.resize(change.at);
        else
          apply(file.disk->durable, change.at, change.bytes);
      }
      file.disk->pending.clear();
      file.disk->exists_durably = true;
    }
    file.vfs->done();
    return SQLITE_OK;
  }

  std::string name_;
  sqlite3_vfs* real_;
  sqlite3_vfs vfs_;
  std::map<std::string, Disk> disks_;
  std::function<void()> hook_;
  int operations_ = 0;
  int fail_at_ = 0;
  int code_ = SQLITE_IOERR;
  bool lasting_ = false;
  bool failed_ = false;
};

}  // namespace tsukai
