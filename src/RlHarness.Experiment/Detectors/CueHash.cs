using System.Security.Cryptography;
using System.Text;

namespace RlHarness.Experiment.Detectors;

/// <summary>Eight hexadecimal digits that change whenever a cue does: a detector's version names the words that it read by.</summary>
internal static class CueHash
{
    public static string Of(params IReadOnlyList<string>[] lists) =>
        Convert.ToHexStringLower(SHA256.HashData(Encoding.UTF8.GetBytes(string.Join("\n\n", lists.Select(l => string.Join('\n', l))))))[..8];
}
