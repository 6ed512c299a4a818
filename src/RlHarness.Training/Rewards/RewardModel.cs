using RlHarness.Core.Errors;
using RlHarness.Models.Decoders;
using RlHarness.Models.Native;
using RlHarness.Training.Batching;
using RlHarness.Training.Collectives;
using static TorchSharp.torch;

namespace RlHarness.Training.Rewards;

/// <summary>A decoder's body with a scalar head: the score of a text is read at its last token.</summary>
/// <param name="ranks">Among whom texts that are scored are dealt out.</param>
public sealed class RewardModel(Decoder body, ScalarHead head, int microBatchTokens, Ranks? ranks = null) : IDisposable
{
    private readonly Ranks _ranks = ranks ?? Ranks.Alone;

    public Decoder Body => body;

    public ScalarHead Head => head;

    /// <summary>Scores of texts (token ids), fp32, without gradients.</summary>
    /// <exception cref="HarnessException">A score is not finite.</exception>
    public float[] Score(IReadOnlyList<IReadOnlyList<int>> texts)
    {
        if (_ranks.IsAlone)
            return Score(texts, [.. Enumerable.Range(0, texts.Count)]);
        var shares = RankShares.OfTexts(body, texts, _ranks.Size);
        var parts = _ranks.Gather("scores of the reward model", () =>
            (double[])[.. Score([.. shares[_ranks.Rank].Select(i => texts[i])], shares[_ranks.Rank]).Select(s => (double)s)]
        );
        var scores = new float[texts.Count];
        for (var r = 0; r < parts.Count; r++)
            for (var k = 0; k < parts[r].Length; k++)
                scores[shares[r][k]] = (float)parts[r][k];
        return scores;
    }

    /// <param name="places">What each text is among all, for words.</param>
    private float[] Score(IReadOnlyList<IReadOnlyList<int>> texts, IReadOnlyList<int> places)
    {
        using var guard = no_grad();
        using var scope = NewDisposeScope();
        var parts = new List<Tensor>();
        var plans = body.SharesDeeply
            ? MicroBatches.PlanTrees(texts, [.. texts.Select(t => t.Count)], microBatchTokens)
            : MicroBatches.Plan([.. texts.Select(t => t.Count)], microBatchTokens);
        foreach (var plan in plans)
        {
            using var step = NewDisposeScope();
            using var batch = TokenBatch.Pack([.. plan.Select(i => texts[i])], body.Device, int.MaxValue, body.SharesDeeply);
            using var last = LastRows(batch);
            parts.Add(head.Forward(DifferentiablePass.Gather(body.Forward(batch), last)).MoveToOuterDisposeScope()); // [B]
        }

        var scores = new float[texts.Count];
        foreach (var (plan, values) in plans.Zip(HostReads.Numbers(parts)))
            for (var i = 0; i < plan.Count; i++)
                scores[plan[i]] = (float)HarnessException.Finite(values[i], $"the reward model's score of text {places[plan[i]] + 1}");

        return scores;
    }

    /// <summary>Row of each text's last token, where its score is read, int64 [B].</summary>
    internal Tensor LastRows(TokenBatch batch) => tensor(batch.Lengths.Select((l, i) => (long)batch.RowOf(i, l - 1)).ToArray(), device: body.Device);

    public void Dispose()
    {
        body.Dispose();
        head.Dispose();
    }
}
