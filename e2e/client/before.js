// Navigates to the page that the browser was told to prerender, once the server says so.
await fetch('/show')
location.href = '/' + location.search
