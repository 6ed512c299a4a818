namespace RlHarness.Tracking.Report;

/// <summary>How a row's values are drawn.</summary>
internal enum RowKind
{
    Bars,
    Dots,

    /// <summary>Dots on one line that joins them: a dumbbell.</summary>
    Joined,
}
