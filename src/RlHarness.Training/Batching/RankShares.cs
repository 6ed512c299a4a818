using RlHarness.Models.Decoders;

namespace RlHarness.Training.Batching;

/// <summary>Cuts a batch into one part for each rank, of about the same work. All ranks cut alike; a part may be empty.</summary>
internal static class RankShares
{
    /// <summary>
    /// Indices by rank. Sequences stay in the order of their tokens, so that those that begin alike fall to one rank as far as its share reaches.
    /// </summary>
    internal static IReadOnlyList<IReadOnlyList<int>> Of(Decoder decoder, IReadOnlyList<ScoredSequence> sequences, int ranks) =>
        Cut(sequences.Count, sequences.Sum(s => (long)s.Ids.Count), ranks, most => MicroBatches.Plan(decoder, sequences, most));

    /// <summary>Indices by rank, of texts whose rows are all their own but for what a batch begins with.</summary>
    internal static IReadOnlyList<IReadOnlyList<int>> Of(IReadOnlyList<int> lengths, int ranks) =>
        Cut(lengths.Count, (long)lengths.Count * lengths.DefaultIfEmpty().Max(), ranks, most => MicroBatches.Plan(lengths, most));

    /// <summary>Indices by rank, of texts that a model reads whole.</summary>
    internal static IReadOnlyList<IReadOnlyList<int>> OfTexts(Decoder decoder, IReadOnlyList<IReadOnlyList<int>> texts, int ranks) =>
        decoder.SharesDeeply
            ? Cut(texts.Count, texts.Sum(t => (long)t.Count), ranks, most => MicroBatches.PlanTrees(texts, [.. texts.Select(t => t.Count)], most))
            : Of([.. texts.Select(t => t.Count)], ranks);

    /// <summary>The plan of the smallest budget that has no more parts than there are ranks.</summary>
    private static IReadOnlyList<IReadOnlyList<int>> Cut(int count, long largest, int ranks, Func<int, IReadOnlyList<IReadOnlyList<int>>> plan)
    {
        if (ranks == 1 || count == 0)
            return [[.. Enumerable.Range(0, count)], .. Enumerable.Repeat<IReadOnlyList<int>>([], ranks - 1)];
        var (low, high) = (1, (int)Math.Min(int.MaxValue, largest));
        while (low < high)
        {
            var middle = low + (high - low) / 2;
            if (plan(middle).Count <= ranks)
                high = middle;
            else
                low = middle + 1;
        }

        var parts = plan(low);
        return [.. parts, .. Enumerable.Repeat<IReadOnlyList<int>>([], ranks - parts.Count)];
    }
}
