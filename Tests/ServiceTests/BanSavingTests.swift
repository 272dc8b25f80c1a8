// SPDX-License-Identifier: Apache-2.0
// When `run` writes the file of bans, on a clock of the test's own.
import Testing

@testable import Service

private let second: UInt64 = 1_000_000_000

@Test func `what a limit banned is written at once, and then once a minute while it goes on banning`() {
    var schedule = BanSavingSchedule(lead: 0)
    var written: [UInt64] = []
    for round in 0..<200 as Range<UInt64> {
        let now = (1000 + round) * second
        // The first ban in the tenth second, the last one in the hundredth.
        let made = round < 10 ? 0 : min(round, 100)
        guard schedule.isDue(at: now, hasUnsaved: false, made: made, lead: 0) else { continue }
        schedule.begin(at: now, made: made, lead: 0, isAgain: false)
        written.append(round)
    }
    #expect(written == [10, 70, 130])
    #expect(!schedule.hasNews(100))
}

@Test func `bans of limits from before the start are written, and none where no policy runs`() {
    var schedule = BanSavingSchedule(lead: 0)
    #expect(!schedule.isDue(at: second, hasUnsaved: false, made: nil, lead: 0))
    #expect(schedule.isDue(at: second, hasUnsaved: false, made: 7, lead: 0))
    schedule.begin(at: second, made: 7, lead: 0, isAgain: false)
    #expect(!schedule.isDue(at: 100 * second, hasUnsaved: false, made: 7, lead: 0))
    // Another policy counts anew.
    #expect(schedule.isDue(at: 100 * second, hasUnsaved: false, made: 3, lead: 0))
}

@Test func `the inspector's bans wait for five seconds, and a failed write for a minute`() {
    var schedule = BanSavingSchedule(lead: 0)
    #expect(schedule.isDue(at: second, hasUnsaved: true, made: 0, lead: 0))
    schedule.begin(at: second, made: 0, lead: 0, isAgain: false)
    #expect(!schedule.isDue(at: 5 * second, hasUnsaved: true, made: 0, lead: 0))
    #expect(schedule.isDue(at: 6 * second, hasUnsaved: true, made: 0, lead: 0))
    schedule.begin(at: 6 * second, made: 0, lead: 0, isAgain: true)
    #expect(!schedule.isDue(at: 65 * second, hasUnsaved: true, made: 9, lead: 0))
    #expect(schedule.isDue(at: 66 * second, hasUnsaved: true, made: 9, lead: 0))
}

/// A host without a clock of its own restores its bans years ago, and learns the time later.
@Test func `bans are written again once the wall clock was set`() {
    let start: Int64 = 1000
    var schedule = BanSavingSchedule(lead: start)
    #expect(!schedule.isDue(at: second, hasUnsaved: false, made: 0, lead: start + 900_000_000))
    schedule.begin(at: second, made: 0, lead: start, isAgain: false)
    for lead in [start + 1_700_000_000_000_000_000, start - 3_600_000_000_000] {
        #expect(schedule.isElsewhere(lead))
        #expect(!schedule.isDue(at: 5 * second, hasUnsaved: false, made: 0, lead: lead))
        #expect(schedule.isDue(at: 6 * second, hasUnsaved: false, made: 0, lead: lead))
    }
    schedule.begin(at: 6 * second, made: 0, lead: start - 3_600_000_000_000, isAgain: false)
    #expect(!schedule.isElsewhere(start - 3_600_000_000_000))
}
