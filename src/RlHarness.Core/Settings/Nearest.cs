namespace RlHarness.Core.Settings;

/// <summary>Finds the known word that somebody probably meant.</summary>
public static class Nearest
{
    /// <summary>The candidate with the smallest edit distance, or null when none is near (more than half of the word differs).</summary>
    public static string? To(string word, IEnumerable<string> candidates)
    {
        var best = candidates
            .Select(c => (Word: c, Distance: Distance(word, c)))
            .OrderBy(x => x.Distance)
            .ThenBy(x => x.Word, StringComparer.Ordinal)
            .FirstOrDefault();
        return best.Word is not null && best.Distance <= Math.Max(2, word.Length / 2) ? best.Word : null;
    }

    /// <summary>Levenshtein distance.</summary>
    internal static int Distance(string a, string b)
    {
        var previous = Enumerable.Range(0, b.Length + 1).ToArray();
        for (var i = 1; i <= a.Length; i++)
        {
            var current = new int[b.Length + 1];
            current[0] = i;
            for (var j = 1; j <= b.Length; j++)
                current[j] = Math.Min(Math.Min(current[j - 1], previous[j]) + 1, previous[j - 1] + (a[i - 1] == b[j - 1] ? 0 : 1));
            previous = current;
        }

        return previous[^1];
    }
}
