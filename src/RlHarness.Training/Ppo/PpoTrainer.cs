using RlHarness.Core.Errors;
using RlHarness.Models.Decoders;
using RlHarness.Models.Native;
using RlHarness.Models.Parallel;
using RlHarness.Training.Algorithms;
using RlHarness.Training.Batching;
using RlHarness.Training.Collectives;
using RlHarness.Training.Losses;
using RlHarness.Training.Optimization;
using static TorchSharp.torch;

// Symbols: N episodes, T response tokens of the longest, R scored tokens of a micro-batch.
namespace RlHarness.Training.Ppo;

/// <summary>
/// Proximal policy optimisation for language models (Schulman et al. 2017; Ziegler et al. 2019): a policy, a frozen reference, a critic. The algorithms
/// without a critic share all of it but what a token is worth (<see cref="Algorithm"/>). An iteration is <see cref="Prepare"/> (old log-probabilities, KL,
/// values, advantages) and <see cref="Update"/> for each epoch and minibatch.
/// </summary>
public sealed class PpoTrainer : IDisposable
{
    private readonly Decoder _policy;
    private readonly Decoder _reference;
    private readonly Critic? _critic;
    private readonly Algorithm _algorithm;
    private readonly double _firstRatioTolerance;
    private readonly Ranks _ranks;

    /// <summary>Of the last gradients: ranks whose weights are the same have the same.</summary>
    private (double Policy, double Critic) _norms;

    /// <param name="policy">The model that is trained.</param>
    /// <param name="reference">Frozen; the policy itself where only adapters are trained: then its answers are those with adapters switched off.</param>
    /// <param name="critic">Values; null for an algorithm without a critic.</param>
    /// <param name="settings">All settings.</param>
    /// <param name="firstRatioTolerance">Largest |ratio − 1| that the first minibatch may show. 0: bit for bit, which a CPU gives.</param>
    /// <param name="ranks">Among whom the episodes of each minibatch are dealt out; each rank scores those that it learns from in the first epoch.</param>
    /// <param name="shardOptimizer">Whether each rank has the moments of a part alone.</param>
    public PpoTrainer(
        Decoder policy,
        Decoder reference,
        Critic? critic,
        PpoSettings settings,
        double firstRatioTolerance = 0,
        Ranks? ranks = null,
        bool shardOptimizer = false
    )
    {
        _ranks = ranks ?? Ranks.Alone;
        (_policy, _reference, _critic, Settings, _firstRatioTolerance) = (policy, reference, critic, settings, firstRatioTolerance);
        if (ReferenceEquals(policy, reference) && policy.Adapters is null)
            throw new ArgumentException("without adapters the reference is a model of its own", nameof(reference));
        _algorithm = settings.CreateAlgorithm();
        if (_algorithm.UsesCritic != critic is not null)
            throw new ArgumentException($"{settings.Algorithm} {(critic is null ? "needs" : "has no use for")} a critic", nameof(critic));
        KlCoefficient = settings.KlCoefficient;
        var joint = IsJoint;
        var trained = DifferentiablePass.Trainable(policy);
        PolicyOptimizer = new AdamW(settings.Optimizer, _ranks, shardOptimizer, joint && critic is not null ? [trained, .. critic.Stores] : [trained]);
        CriticOptimizer = joint || critic is null ? null : new AdamW(settings.CriticOptimizer, _ranks, shardOptimizer, [.. critic.Stores]);
    }

    public PpoSettings Settings { get; }

    /// <summary>One optimizer for policy and critic, so that the value coefficient weighs their losses against each other.</summary>
    private bool IsJoint => Settings.JointOptimizer || _critic is { SharesPolicy: true };

    /// <summary>
    /// 2 when policy and critic are small enough to run concurrently. Scoring uses the same degree, so that both passes use the same thread count and
    /// the first ratio is exactly 1.
    /// </summary>
    private int DegreeOfParallelism =>
        _critic?.Body is { } body && !ReferenceEquals(_policy, _reference)
            ? Math.Min(ParallelWork.DegreeOfParallelism(_policy, 2), ParallelWork.DegreeOfParallelism(body, 2))
            : 1;

    public AdamW PolicyOptimizer { get; }

    /// <summary>Null with one optimizer for both, and without a critic.</summary>
    public AdamW? CriticOptimizer { get; }

    /// <summary>The coefficient now: it moves with an adaptive target.</summary>
    public double KlCoefficient { get; set; }

    /// <summary>One iteration: scores the episodes, then makes one optimizer step for each epoch and minibatch.</summary>
    /// <param name="episodes">Prompts, responses and scores.</param>
    /// <param name="order">The order of the episodes in an epoch, counted from 0; the same each time it is asked for the same epoch.</param>
    /// <param name="learningRateFactor">What the schedule multiplies the learning rates by.</param>
    /// <param name="onPrepared">Called after scoring and before the first update, for clocks.</param>
    /// <exception cref="HarnessException">The ratio of the first minibatch is not 1, or a score, loss or gradient is not finite.</exception>
    public Iteration Iterate(IReadOnlyList<Episode> episodes, Func<int, IReadOnlyList<int>> order, double learningRateFactor, Action? onPrepared = null)
    {
        ArgumentNullException.ThrowIfNull(order);
        var experience = Prepare(episodes, order(0));
        onPrepared?.Invoke();
        var updates = new List<MinibatchResult>();
        for (var epoch = 0; epoch < Settings.Epochs; epoch++)
        {
            foreach (var minibatch in Minibatches(order(epoch)))
                updates.Add(Update(experience, minibatch, epoch, updates.Count % Settings.Minibatches, learningRateFactor));
        }

        return new(experience, updates);
    }

    /// <summary>
    /// Scores the episodes under policy, reference and critic. <paramref name="firstOrder"/> is the order of the first epoch: old log-probabilities are
    /// computed in the micro-batches of that epoch's updates, so that the first ratio is exactly 1.
    /// </summary>
    public Experience Prepare(IReadOnlyList<Episode> episodes, IReadOnlyList<int> firstOrder)
    {
        if (episodes.Any(e => e.Response.Count == 0 || e.Prompt.Count == 0))
            throw new ArgumentException("an episode needs a prompt and a response", nameof(episodes));
        if (episodes.Any(e => e.Trained is { } trained && trained.Count != e.Response.Count))
            throw new ArgumentException("an episode says of each response token whether it is trained", nameof(episodes));
        if (_critic is { SharesPolicy: true } && episodes.Any(e => e.TrainedTokens < e.Response.Count))
            throw new ArgumentException("the loss of a critic on the policy's body would train the policy through tokens without a gradient", nameof(episodes));
        int[] lengths = [.. episodes.Select(e => e.Response.Count)];
        PackedTokens Room() => PackedTokens.Empty(lengths, ScalarType.Float32, _policy.Device);
        var (logprobs, reference, entropies) = (Room(), Room(), Room());
        var values = _critic is null ? null : Room();
        var shares = Minibatches(firstOrder).Select(m => Shares(episodes, m)).ToArray();
        var scored = _ranks.Gather("scores of episodes", () =>
        {
            var plans = shares.SelectMany(s => Plan(episodes, s[_ranks.Rank])).ToArray();
            var ways = DegreeOfParallelism;
            ParallelWork.Run([
                .. Enumerable
                    .Range(0, ways)
                    .Select(way =>
                        (Action)(
                            () =>
                            {
                                for (var i = way; i < plans.Length; i += ways)
                                    Score(plans[i]);
                            }
                        )
                    ),
            ]);
            return _ranks.IsAlone ? [] : PackedTokens.Bytes(OfRank(_ranks.Rank), Rooms());
        });
        for (var r = 0; r < _ranks.Size; r++)
            if (r != _ranks.Rank)
                PackedTokens.Restore(OfRank(r), Rooms(), scored[r]);
        return Estimate(episodes, lengths, logprobs, reference, values, entropies);

        int[] OfRank(int rank) => [.. shares.SelectMany(s => s[rank])];

        PackedTokens[] Rooms() => values is null ? [logprobs, reference, entropies] : [logprobs, reference, entropies, values];

        void Score(IReadOnlyList<int> ids)
        {
            using var scope = NewDisposeScope();
            using var guard = no_grad();
            using var batch = Pack(episodes, ids);
            var rows = DifferentiablePass.HiddenAtScored(_policy, batch);
            var said = TokenScorer.Score(_policy, rows, batch.Targets, Settings.Temperature);
            logprobs.Scatter(ids, said.Logprobs);
            entropies.Scatter(ids, said.Entropy);
            reference.Scatter(ids, ReferenceLogprobs(batch));
            values?.Scatter(ids, _critic!.Head.Forward(_critic.Body is { } body ? DifferentiablePass.HiddenAtScored(body, batch) : rows));
        }
    }

    /// <summary>One optimizer step on a minibatch of the experience.</summary>
    /// <exception cref="HarnessException">The ratio of the very first minibatch is not 1, or a loss or gradient is not finite.</exception>
    public MinibatchResult Update(Experience experience, IReadOnlyList<int> minibatch, int epoch, int index, double learningRateFactor)
    {
        var episodes = experience.Episodes;
        PolicyOptimizer.ZeroGradients();
        CriticOptimizer?.ZeroGradients();
        var tokens = minibatch.Sum(i => (long)episodes[i].Response.Count);
        var trained = minibatch.Sum(i => (long)episodes[i].TrainedTokens);
        var longest = minibatch.Max(i => episodes[i].Response.Count);
        var normalization = Settings.LossNormalization;
        var parts = _ranks.Gather("losses", () =>
        {
            using var own = new Sums();
            foreach (var ids in Plan(episodes, Shares(episodes, minibatch)[_ranks.Rank]))
                Pass(ids, own);
            own.Read();
            return own.Numbers(_norms.Policy, _norms.Critic);
        });
        using var sums = Sums.Of(parts);
        PolicyOptimizer.AddUpGradients();
        CriticOptimizer?.AddUpGradients();
        if (epoch == 0 && index == 0 && !(sums.MaxDeviation <= _firstRatioTolerance))
            throw new HarnessException(
                ErrorKind.Numerics,
                "the probability ratio is not 1 at the first minibatch",
                $"largest |ratio − 1| = {sums.MaxDeviation:g3}",
                $"at most {_firstRatioTolerance:g3}",
                "this is a defect of the program or of a library: report it with run.json"
            );
        var policyNorms = PolicyOptimizer.GradientNorms();
        var criticNorms = CriticOptimizer?.GradientNorms();
        // One optimizer for both has the policy's store first.
        var policyNorm = policyNorms[0];
        var criticNorm = Math.Sqrt((criticNorms ?? policyNorms.Skip(1)).Sum(n => Math.Pow(n, 2)));
        // Before either optimizer steps: else a critic that fails would leave a policy that has moved.
        if (!double.IsFinite(policyNorm) || !double.IsFinite(criticNorm))
            throw new HarnessException(
                ErrorKind.Numerics,
                "a gradient is not finite",
                $"norm {policyNorm} of the policy, {criticNorm} of the critic",
                "finite norms",
                "lower the learning rate, or look at the last batch; weights are as before this step"
            );
        _norms = (policyNorm, criticNorm);
        PolicyOptimizer.Step(Settings.Optimizer.LearningRate * learningRateFactor, policyNorms);
        CriticOptimizer?.Step(CriticOptimizer.Settings.LearningRate * learningRateFactor, criticNorms);
        return sums.Result(epoch, index, minibatch.Count, tokens, policyNorm, criticNorm);

        void Pass(IReadOnlyList<int> ids, Sums sums)
        {
            using var scope = NewDisposeScope();
            using var batch = Pack(episodes, ids);
            var old = experience.Logprobs.Gather(ids); // [R]
            var advantages = experience.Advantages.Gather(ids); // [R]
            var returns = experience.Returns?.Gather(ids); // [R]
            var oldValues = experience.Values?.Gather(ids); // [R]
            var reference = _algorithm.KlInLoss ? experience.ReferenceLogprobs.Gather(ids) : null; // [R]
            var weights = Weights(ids); // [R]
            var valueWeight = IsJoint ? Settings.ValueCoefficient : 1;
            Action[] passes = _critic?.Body is { } body ? [OfPolicy, () => DifferentiablePass.Run(body, batch.Tokens, batch.Rows, Value)] : [OfPolicy];
            if (DegreeOfParallelism == 2)
                ParallelWork.Run(passes);
            else
                Array.ForEach(passes, pass => pass());

            void OfPolicy() =>
                DifferentiablePass.Run(
                    _policy,
                    batch,
                    Settings.Temperature,
                    (logprobs, entropy, start, count) =>
                    {
                        var weight = weights.narrow(0, start, count);
                        var part = PolicyLoss.Compute(logprobs, old.narrow(0, start, count), advantages.narrow(0, start, count), weight, Settings.Clip);
                        sums.Policy(part, logprobs, old.narrow(0, start, count), entropy);
                        var loss = part.Loss;
                        if (reference is not null && KlCoefficient != 0)
                            loss += KlPenalty(logprobs, reference.narrow(0, start, count), weight, KlCoefficient);
                        if (Settings.EntropyCoefficient != 0)
                            loss -= Settings.EntropyCoefficient * (entropy * weight).sum();
                        return loss;
                    },
                    _critic is { SharesPolicy: true } ? Value : null
                );

            // Tokens without a gradient have the weight 0, and the others' weights are as if those were not there.
            Tensor Weights(IReadOnlyList<int> ids) =>
                tensor(
                    ids.SelectMany(i =>
                        {
                            var weight = (float)TokenWeights.Of(normalization, episodes[i].TrainedTokens, trained, minibatch.Count, longest);
                            return episodes[i].Trained?.Select(t => t ? weight : 0) ?? Enumerable.Repeat(weight, episodes[i].Response.Count);
                        })
                        .ToArray(),
                    device: _policy.Device
                );

            Tensor Value(Tensor rows)
            {
                // the critic's loss is a mean over tokens, whatever the policy's normalisation
                var result = ValueLoss.Compute(_critic!.Head.Forward(rows), oldValues!, returns!, full_like(returns!, 1.0 / tokens), Settings.ClipRangeValue);
                sums.Value(result);
                return result.Loss * valueWeight;
            }
        }
    }

    /// <summary>β Σ weight · k3 of KL(policy ‖ reference), where it is a term of the loss. All [R]; a scalar.</summary>
    internal static Tensor KlPenalty(Tensor logprobs, Tensor reference, Tensor weights, double coefficient) =>
        coefficient * (Kl.Estimate(KlEstimator.K3, logprobs, reference) * weights).sum();

    /// <summary>Cuts an order into <see cref="PpoSettings.Minibatches"/> parts, whose sizes differ by one at most; the larger come first.</summary>
    /// <exception cref="ArgumentException">There are fewer episodes than minibatches.</exception>
    public IReadOnlyList<IReadOnlyList<int>> Minibatches(IReadOnlyList<int> order)
    {
        var count = Settings.Minibatches;
        if (order.Count < count)
            throw new ArgumentException($"{count} minibatches of {order.Count} episodes: each needs one", nameof(order));
        var (size, larger) = Math.DivRem(order.Count, count);
        int Start(int part) => part * size + Math.Min(part, larger);
        return [.. Enumerable.Range(0, count).Select(part => (IReadOnlyList<int>)[.. order.Take(Start(part)..Start(part + 1))])];
    }

    public void AdaptKl(Experience experience)
    {
        if (Settings.KlTarget is { } target)
            KlCoefficient = AdaptiveKl.Next(KlCoefficient, experience.MeanKl, target, Settings.KlHorizon, experience.Episodes.Count);
    }

    public void Dispose()
    {
        PolicyOptimizer.Dispose();
        CriticOptimizer?.Dispose();
    }

    // KL, token rewards, advantages and returns in float64 on the host.
    private Experience Estimate(
        IReadOnlyList<Episode> episodes,
        int[] lengths,
        PackedTokens logprobs,
        PackedTokens reference,
        PackedTokens? values,
        PackedTokens entropies
    )
    {
        using var scope = NewDisposeScope();
        PackedTokens.Load(values is null ? [logprobs, reference, entropies] : [logprobs, reference, entropies, values]);
        logprobs.RequireFinite("the policy's log-probability");
        reference.RequireFinite("the reference's log-probability");
        values?.RequireFinite("the critic's value");
        entropies.RequireFinite("the policy's entropy");
        foreach (var (episode, i) in episodes.Select((e, i) => (e, i)))
            HarnessException.Finite(episode.Score, $"the score of episode {i + 1} of {episodes.Count}");
        var mask = Ones(e => Enumerable.Repeat(1.0, e.Response.Count)); // [N, T]
        var kl = Kl.Estimate(Settings.KlEstimator, logprobs.Padded(), reference.Padded()) * mask; // [N, T]
        var paddedValues = values?.Padded(); // [N, T]
        var estimate = _algorithm.Of(
            new ScoredEpisodes(
                [.. episodes.Select(e => e.Score)],
                kl,
                mask,
                Trained: episodes.All(e => e.Trained is null)
                    ? mask
                    : Ones(e => Enumerable.Range(0, e.Response.Count).Select(t => e.Trained?[t] == false ? 0 : 1.0)),
                lengths,
                [.. episodes.Select(e => e.Group)],
                paddedValues,
                KlCoefficient
            )
        );
        PackedTokens Packed(Tensor padded) => PackedTokens.OfPadded(padded, lengths, _policy.Device);
        return new Experience(
            episodes,
            logprobs,
            reference,
            values,
            entropies,
            Kl: Packed(kl),
            Advantages: Packed(estimate.Advantages),
            Returns: estimate.Returns is { } returns ? Packed(returns) : null,
            ExplainedVariance: estimate.Returns is { } targets ? HostReads.Number(Masked.ExplainedVariance(targets, paddedValues!, mask)) : null
        );

        Tensor Ones(Func<Episode, IEnumerable<double>> row)
        {
            using var packed = PackedTokens.Of([.. episodes.Select(e => row(e).ToArray())], ScalarType.Float64, CPU);
            return packed.Padded();
        }
    }

    private Tensor ReferenceLogprobs(ScoredBatch batch)
    {
        var own = ReferenceEquals(_policy, _reference);
        if (own)
            _policy.Adapters!.Enabled = false;
        try
        {
            return TokenScorer.Score(_reference, DifferentiablePass.HiddenAtScored(_reference, batch), batch.Targets, Settings.Temperature).Logprobs;
        }
        finally
        {
            if (own)
                _policy.Adapters!.Enabled = true;
        }
    }

    private IReadOnlyList<IReadOnlyList<int>> Plan(IReadOnlyList<Episode> episodes, IReadOnlyList<int> minibatch) =>
        [
            .. MicroBatches
                .Plan(_policy, [.. minibatch.Select(i => Sequence(episodes[i]))], Settings.MicroBatchTokens)
                .Select(p => (IReadOnlyList<int>)[.. p.Select(k => minibatch[k])]),
        ];

    /// <summary>A minibatch's episodes by the rank that learns from them.</summary>
    private IReadOnlyList<IReadOnlyList<int>> Shares(IReadOnlyList<Episode> episodes, IReadOnlyList<int> minibatch) =>
        _ranks.IsAlone
            ? [minibatch]
            :
            [
                .. RankShares
                    .Of(_policy, [.. minibatch.Select(i => Sequence(episodes[i]))], _ranks.Size)
                    .Select(s => (IReadOnlyList<int>)[.. s.Select(k => minibatch[k])]),
            ];

    private ScoredBatch Pack(IReadOnlyList<Episode> episodes, IReadOnlyList<int> ids) =>
        ScoredBatch.Pack([.. ids.Select(i => Sequence(episodes[i]))], _policy.Device, _policy.SharesDeeply);

    private static ScoredSequence Sequence(Episode episode) => ScoredSequence.Response(episode.Prompt, episode.Response);

    /// <summary>Sums over the micro-batches of one minibatch, of a rank or of all.</summary>
    private sealed class Sums : IDisposable
    {
        // Policy and critic may run at the same time.
        private readonly LaterNumbers _policy = new();
        private readonly LaterNumbers _value = new();

        /// <exception cref="HarnessException">The ranks' gradients of the step before were not the same.</exception>
        internal static Sums Of(IReadOnlyList<double[]> ranks)
        {
            for (var r = 1; r < ranks.Count; r++)
                if (!ranks[r].AsSpan(8).SequenceEqual(ranks[0].AsSpan(8)))
                    throw new HarnessException(
                        ErrorKind.Numerics,
                        FormattableString.Invariant($"rank {r} of {ranks.Count} no longer has the weights of rank 0"),
                        FormattableString.Invariant($"norms of the last gradients {ranks[r][8]:R} and {ranks[r][9]:R}"),
                        FormattableString.Invariant($"{ranks[0][8]:R} and {ranks[0][9]:R}"),
                        "ranks need like processors, and one MPI and libtorch; resume goes on from the newest checkpoint"
                    );
            return new()
            {
                _policyLoss = ranks.Sum(n => n[0]),
                _valueLoss = ranks.Sum(n => n[1]),
                _entropy = ranks.Sum(n => n[2]),
                _approxKl = ranks.Sum(n => n[3]),
                _clipped = ranks.Sum(n => n[4]),
                _valueClipped = ranks.Sum(n => n[5]),
                _ratio = ranks.Sum(n => n[6]),
                MaxDeviation = ranks.Any(n => double.IsNaN(n[7])) ? double.NaN : ranks.Max(n => n[7]),
            };
        }

        /// <summary>All of it as numbers that ranks gather, with the norms of the last gradients.</summary>
        internal double[] Numbers(double policyNorm, double criticNorm) =>
            [_policyLoss, _valueLoss, _entropy, _approxKl, _clipped, _valueClipped, _ratio, MaxDeviation, policyNorm, criticNorm];

        private double _policyLoss,
            _valueLoss,
            _entropy,
            _approxKl,
            _clipped,
            _valueClipped,
            _ratio;

        public double MaxDeviation { get; private set; }

        public void Policy(PolicyLoss.Result part, Tensor logprobs, Tensor old, Tensor entropy)
        {
            using var guard = no_grad();
            using var scope = NewDisposeScope();
            _policy.Add(
                part.Loss,
                entropy.sum(),
                0.5 * (logprobs.detach() - old).square().sum(),
                part.Clipped.sum(),
                part.Ratio.to(ScalarType.Float64).sum(),
                (part.Ratio - 1).abs().max()
            );
        }

        public void Value(ValueLoss.Result result)
        {
            using var guard = no_grad();
            using var scope = NewDisposeScope();
            _value.Add(result.Loss, result.Clipped.sum());
        }

        /// <summary>Reads what all micro-batches left on the device, at once.</summary>
        /// <exception cref="HarnessException">A loss is not finite.</exception>
        public void Read()
        {
            var (policy, value) = LaterNumbers.Read(_policy, _value);
            foreach (var n in policy)
            {
                _policyLoss += HarnessException.Finite(n[0], "the policy's loss");
                _entropy += n[1];
                _approxKl += n[2];
                _clipped += n[3];
                _ratio += n[4];
                MaxDeviation = double.IsNaN(n[5]) ? double.NaN : Math.Max(MaxDeviation, n[5]);
            }

            foreach (var n in value)
            {
                _valueLoss += HarnessException.Finite(n[0], "the critic's loss");
                _valueClipped += n[1];
            }
        }

        public void Dispose()
        {
            _policy.Dispose();
            _value.Dispose();
        }

        public MinibatchResult Result(int epoch, int index, int sequences, long tokens, double policyNorm, double criticNorm) =>
            new(
                epoch,
                index,
                sequences,
                tokens,
                _policyLoss,
                _valueLoss,
                _entropy / tokens,
                _approxKl / tokens,
                _clipped / tokens,
                _valueClipped / tokens,
                _ratio / tokens,
                MaxDeviation,
                policyNorm,
                criticNorm
            );
    }
}
