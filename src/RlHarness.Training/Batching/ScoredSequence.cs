namespace RlHarness.Training.Batching;

/// <summary>A sequence of token ids and which of them are scored (predicted from what stands before them; never index 0).</summary>
public sealed record ScoredSequence(IReadOnlyList<int> Ids, IReadOnlyList<int> Scored)
{
    /// <summary>All tokens of a response behind a prompt.</summary>
    public static ScoredSequence Response(IReadOnlyList<int> prompt, IReadOnlyList<int> response) =>
        new([.. prompt, .. response], [.. Enumerable.Range(prompt.Count, response.Count)]);
}
