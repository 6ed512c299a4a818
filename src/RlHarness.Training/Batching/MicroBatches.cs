namespace RlHarness.Training.Batching;

/// <summary>Splits sequences into micro-batches of like length under a budget of tokens.</summary>
internal static class MicroBatches
{
    /// <summary>
    /// Indices by micro-batch: sorted by length (ties by index), as many as fit in <paramref name="maxTokens"/> counted with padding; a longer
    /// sequence stands alone.
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
}
