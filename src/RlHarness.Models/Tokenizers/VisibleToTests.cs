using System.Runtime.CompilerServices;

[assembly: InternalsVisibleTo("RlHarness.Models.Tests")]
