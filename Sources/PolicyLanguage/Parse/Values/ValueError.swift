// SPDX-License-Identifier: Apache-2.0
// What a value parser says about a text that it cannot take; the caller knows where the text stands.
import Diagnostics

/// A value that cannot be taken.
public struct ValueError: Error, Hashable, Sendable {
    /// Stable, as in "leading-zero".
    public var id: String
    /// Lower case, no full stop, the user's text in quotes.
    public var message: String
    /// A way out; nil where there is nothing to say.
    public var help: String?

    public init(id: String, _ message: String, help: String? = nil) {
        self.id = id
        self.message = message
        self.help = help
    }
}

/// "did you mean 'x'?" where a known word is near, else what is expected.
func suggestion(for word: some StringProtocol, among words: [String], expected: String) -> String {
    guard let near = nearest(to: String(word), among: words) else { return expected }
    return "did you mean '\(near)'?"
}
