// Keeps a board current for those who look at it, and tells each what has changed since it last heard.
//
// Flow: something changed -> wait a moment for more -> draw -> compare with what was -> wake the viewers.
// Guarantees: without a viewer nothing is drawn. Drawing takes at most about half a hundredth of a core, however large
// the cluster is: the larger, the less often. Threading: every member may be called from any thread.
#pragma once
#include <condition_variable>
#include <functional>
#include <mutex>
#include <thread>

#include "util/clock.h"
#include "view/board.h"

namespace fairlead::view {

class Hub {
 public:
  // `draw` is called on one thread. `watched` is told, on the same, when the first viewer comes (true) and when there
  // has been none for a while (false).
  Hub(std::function<Board()> draw, std::function<void(bool)> watched);
  ~Hub();
  void Changed();  // cheap

  using Messages = std::shared_ptr<const std::vector<std::string>>;

  // As long as it lives somebody looks.
  class Viewer {
   public:
    explicit Viewer(Hub& hub);
    ~Viewer();
    Viewer(const Viewer&) = delete;
    // What has changed since the last call: server-sent events, ready to be written, each of a bounded size. All there
    // is the first time. Nothing after `patience`. Viewers that heard the same share what they are told.
    Messages Wait(Millis patience);

   private:
    Hub& hub_;
    uint64_t heard_ = 0;
  };

 private:
  struct Tile {
    NodeTile tile;
    uint64_t changed = 0;
    bool gone = false;
  };
  struct Section {
    std::string text;
    uint64_t changed = 0;
  };
  void Run(std::stop_token stop);
  bool DrawNext(const std::stop_token& stop);  // false: nobody looks any more
  void Take(Board board);
  std::vector<std::string> Since(uint64_t heard) const;
  Messages Told(uint64_t heard);

  std::function<Board()> draw_;
  std::function<void(bool)> watched_;
  mutable std::mutex mutex_;  // guards what follows
  std::condition_variable_any wake_;
  bool dirty_ = true;
  int viewers_ = 0;
  uint64_t drawn_ = 0;  // counts boards that differed
  std::map<std::string, Tile> nodes_;
  std::map<std::string, Section> sections_;
  struct {
    uint64_t since = 0, upto = 0;
    std::weak_ptr<const std::vector<std::string>> messages;
  } told_;  // the last, while somebody still writes it
  std::jthread thread_;
};

}  // namespace fairlead::view
