// SPDX-License-Identifier: Apache-2.0
// The live screen of `top`: plain ANSI, restored however it ends.
import Dataplane
import Glibc
import Service

/// Reads keys and draws a report each interval, until q, Ctrl-C, or a signal.
struct TopScreen {
    private let reader: CounterReader
    private var interval: Double
    private var order = TopOrder.packets
    private var isPaused = false

    init(reader: CounterReader, interval: Double) {
        self.reader = reader
        self.interval = interval
    }

    /// - Returns: nil, or the number of the signal that ends it, which was held back until the terminal was
    /// restored.
    mutating func run() throws -> Int32? {
        let signals = try EndingSignals()
        let terminal = RawTerminal()
        defer { terminal.restore() }
        var before = try reader.read()
        draw(TopReport(from: before, to: before, sourceLimit: 10))
        while true {
            let key = try waitForKey(seconds: interval, signals)
            if let signal = signals.next() { return signal }
            switch key {
            case UInt8(ascii: "q"), 3: return nil
            case UInt8(ascii: "s"): order = order.next
            case UInt8(ascii: " "): isPaused.toggle()
            case UInt8(ascii: "+"): interval = min(3600, interval * 2)
            case UInt8(ascii: "-"): interval = max(0.1, interval / 2)
            case .some: continue
            case nil: break
            }
            if isPaused { continue }
            let now = try reader.read()
            draw(TopReport(from: before, to: now, sourceLimit: 50))
            before = now
        }
    }

    /// The next key, or nil when the interval is over or a signal has come.
    private func waitForKey(seconds: Double, _ signals: EndingSignals) throws -> UInt8? {
        var requests = [STDIN_FILENO, signals.descriptor].map {
            pollfd(fd: $0, events: Int16(POLLIN), revents: 0)
        }
        guard poll(&requests, 2, Int32(seconds * 1000)) > 0, requests[0].revents != 0 else { return nil }
        var key: UInt8 = 0
        // The end of standard input ends top, like q.
        return read(STDIN_FILENO, &key, 1) == 1 ? key : UInt8(ascii: "q")
    }

    private func draw(_ report: TopReport) {
        var size = winsize()
        let hasSize = ioctl(STDOUT_FILENO, UInt(TIOCGWINSZ), &size) == 0 && size.ws_row > 0
        let (rows, columns) = hasSize ? (Int(size.ws_row), Int(size.ws_col)) : (24, 80)
        var lines = report.lines(order: order, limit: max(3, (rows - 16) / 2))
        lines.insert("sorted by \(order.rawValue); q quit, s sort, space pause, +/- interval", at: 1)
        // Synchronised update, home, each line cleared to its end, the rest of the screen cleared.
        var text = "\u{1b}[?2026h\u{1b}[H"
        for line in lines.prefix(rows - 1) { text += String(line.prefix(columns)) + "\u{1b}[K\r\n" }
        text += "\u{1b}[J\u{1b}[?2026l"
        RawTerminal.write(text)
    }
}

extension TopOrder {
    var next: TopOrder {
        switch self {
        case .packets: .bits
        case .bits: .drops
        case .drops: .packets
        }
    }
}

/// The terminal without echo and line editing, on its alternate screen.
private struct RawTerminal {
    private let saved: termios

    init() {
        var settings = termios()
        tcgetattr(STDIN_FILENO, &settings)
        saved = settings
        // ISIG off: Ctrl-C comes as a key, so that the terminal is restored.
        settings.c_lflag &= ~tcflag_t(ECHO | ICANON | ISIG)
        tcsetattr(STDIN_FILENO, TCSANOW, &settings)
        Self.write("\u{1b}[?1049h\u{1b}[?25l")
    }

    func restore() {
        var settings = saved
        tcsetattr(STDIN_FILENO, TCSANOW, &settings)
        Self.write("\u{1b}[?25h\u{1b}[?1049l")
    }

    static func write(_ text: String) {
        var bytes = Array(text.utf8)[...]
        while !bytes.isEmpty {
            let count = bytes.withUnsafeBytes { Glibc.write(STDOUT_FILENO, $0.baseAddress, $0.count) }
            guard count > 0 else { return }
            bytes = bytes.dropFirst(count)
        }
    }
}
