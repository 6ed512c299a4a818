using System.Security.Cryptography;
using System.Text;
using System.Text.RegularExpressions;

namespace RlHarness.Experiment.Detectors;

/// <summary>Lower-case sentences, and rules of which any may match.</summary>
internal static partial class TextCues
{
    public static IEnumerable<string> Sentences(string text)
    {
        foreach (var sentence in Ends().Split(Lower(text)))
            if (!string.IsNullOrWhiteSpace(sentence))
                yield return Spaces().Replace(sentence, " ").Trim();
    }

    /// <summary>A whole text as its sentences are read: lower case, straight apostrophes, single spaces.</summary>
    public static string Normal(string text) => Spaces().Replace(Lower(text), " ").Trim();

    /// <summary>A rule without patterns matches nothing.</summary>
    public static Regex AnyOf(IReadOnlyList<string> patterns) =>
        new(patterns.Count == 0 ? "(?!)" : string.Join('|', patterns), RegexOptions.CultureInvariant | RegexOptions.Compiled);

    private static string Lower(string text) => text.ToLowerInvariant().Replace('\u2019', '\'');

    [GeneratedRegex(@"[.!?\n]+")]
    private static partial Regex Ends();

    [GeneratedRegex(@"\s+")]
    private static partial Regex Spaces();
}

/// <summary>Eight hexadecimal digits that change whenever a cue does: a detector's version names the words that it read by.</summary>
internal static class CueHash
{
    public static string Of(params IReadOnlyList<string>[] lists) =>
        Convert.ToHexStringLower(SHA256.HashData(Encoding.UTF8.GetBytes(string.Join("\n\n", lists.Select(l => string.Join('\n', l))))))[..8];
}
