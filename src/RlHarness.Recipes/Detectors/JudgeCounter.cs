using RlHarness.Experiment.Detectors;

namespace RlHarness.Recipes.Detectors;

/// <summary>Counts what a judge is asked, from several threads.</summary>
internal sealed class JudgeCounter(double priceInput = 0, double priceOutput = 0)
{
    private readonly Lock _gate = new();
    private long _questions;
    private long _cached;
    private long _refused;
    private long _unparsable;
    private long _cut;
    private long _wordsOnly;
    private long _input;
    private long _output;

    public JudgeUsage Usage
    {
        get
        {
            lock (_gate)
                return new(_questions, _cached, _refused, _unparsable, _input, _output, ((priceInput * _input) + (priceOutput * _output)) / 1e6)
                {
                    Cut = _cut,
                    WithoutLogprobs = _wordsOnly,
                };
        }
    }

    public void Add(JudgeAnswer answer, long input, long output, bool cached, bool wordOnly = false)
    {
        lock (_gate)
        {
            _questions++;
            if (cached)
                _cached++;
            if (answer.Kind == JudgeAnswerKind.Refused)
                _refused++;
            if (answer.Kind == JudgeAnswerKind.Unparsable)
                _unparsable++;
            if (answer.Kind == JudgeAnswerKind.Cut)
                _cut++;
            if (wordOnly)
                _wordsOnly++;
            if (!cached)
                (_input, _output) = (_input + input, _output + output);
        }
    }
}
