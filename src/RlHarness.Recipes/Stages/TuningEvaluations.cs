using System.Globalization;
using RlHarness.Recipes.Running;
using RlHarness.Tracking.Metrics;
using RlHarness.Tracking.Store;

namespace RlHarness.Recipes.Stages;

/// <summary>
/// Looks at a model while a stage tunes it: the paired evaluation of a fixed few queries before the first step, each time so many more tokens were read, and
/// after the last step. It draws from random numbers of its own, so that the tuned weights are the same bit for bit with and without it.
/// </summary>
/// <param name="every">Tokens between evaluations, 1 or more.</param>
/// <param name="queries">The first so many.</param>
internal sealed class TuningEvaluations(RunContext run, string stage, Evaluator evaluator, long every, int queries)
{
    /// <summary>Tokens at which the next evaluation is due.</summary>
    internal long Next { get; private set; }

    /// <summary>What all evaluations took together.</summary>
    internal double Seconds { get; private set; }

    /// <summary>Goes on where a checkpoint was written.</summary>
    internal void Restore(long next) => Next = next;

    /// <summary>Rows of an evaluation, with the tokens that were read; null where none is due.</summary>
    /// <param name="step">Updates that the model has seen.</param>
    /// <param name="tokens">Tokens that it has read.</param>
    /// <param name="last">Whether it is tuned no further.</param>
    internal StepBatch? At(int step, long tokens, bool last = false)
    {
        if (tokens < Next && !last)
            return null;
        var started = run.Time.GetTimestamp();
        var result = evaluator.Run(stage, step, onProgress: (done, total) => run.Progress.Step($"evaluating step {step}", done, total, []), subset: queries);
        // Due until it is done: an evaluation that is stopped is made again.
        Next = ((tokens / every) + 1) * every;
        Seconds += run.Time.GetElapsedTime(started).TotalSeconds;
        run.Progress.Note(
            string.Create(CultureInfo.InvariantCulture, $"{stage}, {tokens:n0} tokens: {Evaluator.Line(result.Summaries[run.Detectors[0].Name])}")
        );
        return result.Batch with { Metrics = result.Batch.Metrics.Append(new(MetricNames.NumTokens, tokens)).ToDictionary() };
    }
}
