using System.Text;

namespace RlHarness.Experiment.Detectors;

/// <summary>
/// A text as a sparse vector: words and pairs of words, lower case, hashed (FNV-1a) into a fixed number of places; counts dampened by 1 + ln, length
/// 1.
/// </summary>
internal static class NgramFeatures
{
    public static IReadOnlyList<(int Index, float Value)> Of(string? text, int places)
    {
        var counts = new SortedDictionary<int, int>();
        string? before = null;
        foreach (var word in Words(text ?? ""))
        {
            Count(word);
            if (before is not null)
                Count(before + " " + word);
            before = word;
        }

        if (counts.Count == 0)
            return [];
        var values = counts.Select(c => (c.Key, Value: 1 + Math.Log(c.Value))).ToArray();
        var norm = Math.Sqrt(values.Sum(v => v.Value * v.Value));
        return [.. values.Select(v => (v.Key, (float)(v.Value / norm)))];

        void Count(string gram)
        {
            var place = (int)(Hash(gram) % (uint)places);
            counts[place] = counts.GetValueOrDefault(place) + 1;
        }
    }

    private static IEnumerable<string> Words(string text)
    {
        var word = new StringBuilder();
        foreach (var c in text.ToLowerInvariant().Replace('\u2019', '\''))
        {
            if (char.IsLetterOrDigit(c) || c == '\'')
                word.Append(c);
            else if (word.Length > 0)
            {
                yield return word.ToString();
                word.Clear();
            }
        }

        if (word.Length > 0)
            yield return word.ToString();
    }

    private static uint Hash(string gram)
    {
        var hash = 2166136261u;
        foreach (var b in Encoding.UTF8.GetBytes(gram))
            hash = (hash ^ b) * 16777619u;
        return hash;
    }
}
