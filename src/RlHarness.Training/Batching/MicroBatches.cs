using RlHarness.Models.Decoders;

namespace RlHarness.Training.Batching;

/// <summary>Splits sequences into micro-batches under a budget of tokens.</summary>
internal static class MicroBatches
{
    /// <summary>
    /// Indices by micro-batch, for a model that shares what all sequences of a batch begin with: sorted by length (ties by index), as many as fit in
    /// <paramref name="maxTokens"/> counted with padding; a longer sequence stands alone.
    /// </summary>
    public static IReadOnlyList<IReadOnlyList<int>> Plan(IReadOnlyList<int> lengths, int maxTokens)
    {
        var plan = new List<IReadOnlyList<int>>();
        var current = new List<int>();
        foreach (var i in Enumerable.Range(0, lengths.Count).OrderBy(i => lengths[i]).ThenBy(i => i))
        {
            // sorted, so this sequence would be the longest of the batch
            if (current.Count > 0 && (long)lengths[i] * (current.Count + 1) > maxTokens)
            {
                plan.Add(current);
                current = [];
            }

            current.Add(i);
        }

        if (current.Count > 0)
            plan.Add(current);
        return plan;
    }

    /// <summary>
    /// Indices by micro-batch, for a model that packs trees: in the order of their tokens, so that what sequences have in common is there once in few batches,
    /// as many as fit in <paramref name="maxTokens"/> rows once shared; a longer sequence stands alone.
    /// </summary>
    /// <param name="sequences">Token ids.</param>
    /// <param name="shareable">Tokens of each that may be shared.</param>
    /// <param name="maxTokens">Rows of a micro-batch.</param>
    public static IReadOnlyList<IReadOnlyList<int>> PlanTrees(IReadOnlyList<IReadOnlyList<int>> sequences, IReadOnlyList<int> shareable, int maxTokens)
    {
        int[] order = [.. Enumerable.Range(0, sequences.Count)];
        Array.Sort(order, (x, y) => PrefixOrder.Compare(sequences[x], shareable[x], sequences[y], shareable[y]) is not 0 and var byTokens ? byTokens
            : sequences[x].Count != sequences[y].Count ? sequences[x].Count.CompareTo(sequences[y].Count)
            : x.CompareTo(y));
        var plan = new List<IReadOnlyList<int>>();
        var current = new List<int>();
        var rows = 0L;
        foreach (var i in order)
        {
            // In this order no sequence of the batch has more in common with this one than the last.
            var shared = current.Count == 0 ? 0 : PrefixOrder.Shared(sequences[current[^1]], shareable[current[^1]], sequences[i], shareable[i]);
            if (current.Count > 0 && rows + sequences[i].Count - shared > maxTokens)
            {
                plan.Add(current);
                (current, rows, shared) = ([], 0, 0);
            }

            current.Add(i);
            rows += sequences[i].Count - shared;
        }

        if (current.Count > 0)
            plan.Add(current);
        return plan;
    }

    /// <summary>The plan of scored sequences for a model.</summary>
    public static IReadOnlyList<IReadOnlyList<int>> Plan(Decoder decoder, IReadOnlyList<ScoredSequence> sequences, int maxTokens) =>
        decoder.SharesDeeply
            ? PlanTrees([.. sequences.Select(s => s.Ids)], [.. sequences.Select(s => s.Shareable)], maxTokens)
            : Plan([.. sequences.Select(s => s.Ids.Count)], maxTokens);
}
