namespace RlHarness.Recipes.Stages;

/// <summary>Seconds of the parts of a step.</summary>
internal sealed class StepClock(TimeProvider time)
{
    private readonly long _start = time.GetTimestamp();
    private readonly Dictionary<string, double> _laps = new(StringComparer.Ordinal);
    private long _last = time.GetTimestamp();

    internal IReadOnlyDictionary<string, double> Laps => _laps;

    internal double Total => time.GetElapsedTime(_start).TotalSeconds;

    internal void Lap(string part)
    {
        var now = time.GetTimestamp();
        _laps[part] = time.GetElapsedTime(_last, now).TotalSeconds;
        _last = now;
    }

    internal double Seconds(string part) => Math.Max(1e-9, _laps.GetValueOrDefault(part));
}
